package filter

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"opensnoop/internal/event"
)

// Macros are those of the BPF program that make it apply the filter, as far as the kernel
// can, each as -D takes it. The pinned maps and the numbers of processes are not in
// them: it is the same program for all. fields are what records have: without event.Path, names
// stand in for paths.
func (f *Filter) Macros(fields event.Fields) []string {
	var macros, lists []string
	for _, e := range f.used() {
		if e.program == nil {
			continue
		}
		for _, m := range e.program(f, fields) {
			if m.name == listed {
				lists = append(lists, m.value)
				continue
			}
			text := m.name
			if m.value != defined {
				text += "=" + m.value
			}
			if m.value != "" && !slices.Contains(macros, text) { // several filters may have one
				macros = append(macros, text)
			}
		}
	}
	if len(lists) > 0 {
		macros = append(macros, listed+"="+strings.Join(lists, " && "))
	}
	return macros
}

// listed is the macro that several filters have together: each adds a condition.
const listed = "LISTED"

// Reads are more for these macros: what the program must know before it comes to an expression, so that
// it reads what that compares.
func Reads(macros []string) (more []string) {
	for _, macro := range macros {
		name, _, _ := strings.Cut(macro, "=")
		more = append(more, reads[name]...)
	}
	return more
}

func processMacros(f *Filter, _ event.Fields) []macro {
	var macros []macro
	if len(f.Roots) > 0 {
		macros = append(macros, macro{"FOLLOW", defined})
		if f.RootsExcluded {
			macros = append(macros, macro{"FOLLOWED_EXCLUDED", defined})
		}
	}
	if _, ok := f.OnePID(); ok {
		return append(macros, macro{"PID_SLOT", defined})
	}
	if len(f.PIDs) > 0 {
		macros = append(macros, macro{"PIDS", defined})
	}
	return macros
}

func flagMacros(f *Filter, _ event.Fields) []macro {
	var wanted []string
	for _, flag := range f.Flags {
		wanted = append(wanted, fmt.Sprintf("(flags & %#x) == %#x", flag.Mask, flag.Value))
	}
	return []macro{{"FLAGS_WANTED", strings.Join(wanted, " || ")}}
}

func pathMacros(f *Filter, fields event.Fields) []macro {
	if f.byPath() && fields.Has(event.Path) {
		return []macro{{"PATHS", f.Paths.kernelAllows(mayStart)}, {"TOPS", f.Paths.kernelTops()}}
	}
	return []macro{{"NAMES", f.Paths.kernelAllows(startsWith)}}
}

func excludedPathMacros(f *Filter, fields event.Fields) []macro {
	if f.byPath() && fields.Has(event.Path) {
		return []macro{
			{"PATHS_EXCLUDED", f.ExcludedPaths.having(true).kernelExcludes()},
			{"NAMES_EXCLUDED", f.ExcludedPaths.having(false).kernelExcludes()},
		}
	}
	return []macro{{"NAMES_EXCLUDED", f.ExcludedPaths.kernelExcludes()}}
}

// resultWanted is an expression of C that holds for the results that are wanted; "" if that
// are all.
func (f *Filter) resultWanted() string {
	var terms, errnos []string
	if f.Failed {
		terms = append(terms, "result < 0")
	}
	if f.Success {
		terms = append(terms, "result >= 0")
	}
	for _, n := range f.Errnos {
		errnos = append(errnos, fmt.Sprintf("result == -%d", int(n)))
	}
	if len(errnos) > 0 {
		terms = append(terms, "("+strings.Join(errnos, " || ")+")")
	}
	if len(terms) == 0 {
		return ""
	}
	return "result != RESULT_UNKNOWN && " + strings.Join(terms, " && ")
}

// commsMax is how many parts of comms the kernel looks for; if there are more, none: each
// takes time to compile and to verify, for every place where it may begin.
const commsMax = 1

// hasComms is an expression of C that holds for comms with one of the parts; "" if the kernel
// does not look for them.
func hasComms(parts []string) string {
	if len(parts) > commsMax {
		return ""
	}
	var terms []string
	for _, part := range parts {
		if len(part) >= event.CommSize {
			terms = append(terms, "false")
			continue
		}
		words := commWords([]byte(part))
		terms = append(terms, fmt.Sprintf("comm_contains(comm, %#x, %#x, %d)", words[0], words[1], len(part)))
	}
	return strings.Join(terms, " || ")
}

// commWords are the bytes of a comm, the first lowest.
func commWords(comm []byte) (words [event.CommSize / 8]uint64) {
	for i, b := range comm {
		words[i/8] |= uint64(b) << (i % 8 * 8)
	}
	return words
}

// isComm is an expression of C that holds for a comm that is one of these. What is behind its NUL may
// be anything.
func isComm(comms []string) string {
	var terms []string
	for _, comm := range comms {
		words, masks := commWords([]byte(comm)), commWords(bytes.Repeat([]byte{0xff}, len(comm)+1))
		terms = append(terms, fmt.Sprintf("((comm[0] & %#xULL) == %#xULL && (comm[1] & %#xULL) == %#xULL)", masks[0], words[0], masks[1], words[1]))
	}
	return strings.Join(terms, " || ")
}

// OnePID returns the process to trace if it is one, and false if it is any or several.
// The program then finds it in a slot, and is the same for every process.
func (f *Filter) OnePID() (pid uint32, ok bool) {
	if pids := distinct(f.PIDs); len(pids) == 1 {
		return pids[0], true
	}
	return 0, false
}

// Pinned are the paths of the user's maps, by the names of the program's that they stand
// in for.
func (f *Filter) Pinned() map[string]string {
	pinned := make(map[string]string)
	if f.Cgroups != "" {
		pinned["cgroupset"] = f.Cgroups
	}
	if f.MountNamespaces != "" {
		pinned["mount_ns_set"] = f.MountNamespaces
	}
	return pinned
}

// distinct returns the numbers in order, each once.
func distinct(numbers []uint32) []uint32 {
	return slices.Compact(slices.Sorted(slices.Values(numbers)))
}

// cases are the labels of a switch.
func cases(numbers []uint32) string {
	var labels []string
	for _, n := range distinct(numbers) {
		labels = append(labels, fmt.Sprintf("case %d:", n))
	}
	return strings.Join(labels, " ")
}

// literal is a string of C.
func literal(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(text) {
		if c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '?' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
