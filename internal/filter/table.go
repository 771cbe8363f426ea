package filter

import (
	"fmt"
	"slices"
	"strconv"
	"syscall"

	"opensnoop/internal/event"
)

// Entry is a filter: the flag that asks for it, and what it does.
type Entry struct {
	Flag, Short, Help string

	// Column shows what it chooses by: the flag adds it to the usual ones. "" is none.
	Column string

	// Value takes the values of the flag, or Bool is what one without values sets.
	Value func(*Filter) Value
	Bool  func(*Filter) *bool

	used func(*Filter) bool

	// needs are what records must hold for it.
	needs func(*Filter) event.Fields

	// program are the macros by which the BPF program narrows; nil if it does not. fields are those
	// of records.
	program func(f *Filter, fields event.Fields) []macro

	// compares are what the program reads for that, of a kernel that must be able to tell it.
	compares event.Fields

	// exact is whether the program decides as match does; nil is that it does. Else match is asked
	// again of what it lets through.
	exact func(*Filter) bool

	// late is whether match is asked again even so.
	late bool

	// match is the same as what the program compares, of an event with the fields reads; nil if no
	// event tells.
	match func(*Filter, *event.Event) Verdict
	reads event.Fields
}

// macro is a macro of the BPF program. Without a value it is not defined.
type macro struct{ name, value string }

// defined is the value of a macro that is there or not.
const defined = "1"

// Recorded reports whether the filter can be applied to a recording.
func (e *Entry) Recorded() bool { return e.match != nil }

// Table are all filters.
var Table = []*Entry{
	{
		Flag: "pid", Short: "p", Help: "opens of these processes",
		Value:   func(f *Filter) Value { return (*PIDs)(&f.PIDs) },
		used:    func(f *Filter) bool { return len(f.PIDs)+len(f.Roots) > 0 },
		program: processMacros,
		match: func(f *Filter, e *event.Event) Verdict {
			// What descends from roots no event tells.
			return show(len(f.Roots) > 0 || slices.Contains(f.PIDs, e.TGID))
		},
	},
	numbers(Entry{
		Flag: "tid", Short: "t", Help: "opens of these threads; adds TID", Column: "tid",
		Value: func(f *Filter) Value { return (*PIDs)(&f.TIDs) },
	}, &event.Number{Value: "(u32)local", Of: func(e *event.Event) *uint32 { return &e.TID }}, func(f *Filter) []uint32 { return f.TIDs }),
	numbers(Entry{
		Flag: "uid", Short: "u", Help: "opens of these users, by name or number; adds UID", Column: "uid",
		Value: func(f *Filter) Value { return (*users)(&f.UIDs) },
	}, event.NumberOf("uid"), func(f *Filter) []uint32 { return f.UIDs }),
	numbers(Entry{
		Flag: "euid", Help: "opens of these effective users, as of setuid programs; adds EUID", Column: "euid",
		Value: func(f *Filter) Value { return (*users)(&f.EUIDs) },
	}, event.NumberOf("euid"), func(f *Filter) []uint32 { return f.EUIDs }),
	numbers(Entry{
		Flag: "gid", Help: "opens of these groups, by name or number; adds GID", Column: "gid",
		Value: func(f *Filter) Value { return (*groups)(&f.GIDs) },
	}, event.NumberOf("gid"), func(f *Filter) []uint32 { return f.GIDs }),
	numbers(Entry{
		Flag: "login", Help: "opens of users who logged in as this, also after su or sudo; adds LOGIN", Column: "login",
		Value: func(f *Filter) Value { return (*users)(&f.Logins) },
	}, event.NumberOf("login"), func(f *Filter) []uint32 { return f.Logins }),
	byComm(Entry{
		Flag: "name", Short: "n", Help: "opens of threads and processes whose name (comm) contains this",
		Value: func(f *Filter) Value { return (*comms)(&f.Comms) },
	}, "COMMS", func(f *Filter) []string { return f.Comms }),
	{
		Flag: "under", Help: "opens of processes with this name, and of all that they start; adds ANCESTORS", Column: "ancestors",
		Value:    func(f *Filter) Value { return (*comms)(&f.Under) },
		used:     func(f *Filter) bool { return len(f.Under) > 0 },
		compares: event.Ancestry,
		program:  func(f *Filter, _ event.Fields) []macro { return []macro{{"UNDER", isComm(f.Under)}} },
		match:    func(f *Filter, e *event.Event) Verdict { return show(f.isUnder(&e.Ancestors)) },
		reads:    event.Ancestry,
	},
	byResult(Entry{
		Flag: "failed", Short: "x", Help: "opens that fail; adds ERR", Column: "err",
		Bool: func(f *Filter) *bool { return &f.Failed },
		used: func(f *Filter) bool { return f.Failed },
	}, func(_ *Filter, result int32) bool { return result < 0 }),
	byResult(Entry{
		Flag: "success", Help: "opens that succeed; adds FD", Column: "fd",
		Bool: func(f *Filter) *bool { return &f.Success },
		used: func(f *Filter) bool { return f.Success },
	}, func(_ *Filter, result int32) bool { return result >= 0 }),
	byResult(Entry{
		Flag: "errno", Help: "opens that fail with this error, such as ENOENT or 2; adds ERR", Column: "err",
		Value: func(f *Filter) Value { return (*errnos)(&f.Errnos) },
		used:  func(f *Filter) bool { return len(f.Errnos) > 0 },
	}, func(f *Filter, result int32) bool { return slices.Contains(f.Errnos, syscall.Errno(-result)) }),
	{
		Flag: "slower", Help: "opens that take longer than this: seconds, or like 10ms; also those that have not ended when tracing ends; adds TOOK", Column: "took",
		Value: func(f *Filter) Value { return &f.Slower },
		used:  func(f *Filter) bool { return f.Slower > 0 },
		needs: func(*Filter) event.Fields { return event.Took },
		program: func(f *Filter, _ event.Fields) []macro {
			return []macro{{"SLOWER", strconv.FormatInt(int64(f.Slower), 10)}}
		},
		match: func(f *Filter, e *event.Event) Verdict {
			return show(e.Took == 0 || e.Blocks || e.Took > uint64(f.Slower))
		},
		reads: event.Took,
	},
	{
		Flag: "flag-filter", Short: "f", Help: "opens with this flag of open(2), such as O_WRONLY; adds FLAGS", Column: "flags",
		Value:   func(f *Filter) Value { return (*openFlags)(&f.Flags) },
		used:    func(f *Filter) bool { return len(f.Flags) > 0 },
		needs:   func(*Filter) event.Fields { return event.Flags },
		program: flagMacros,
		match: func(f *Filter, e *event.Event) Verdict {
			return show(!e.Fields.Has(event.Flags) || // they could not be read
				slices.ContainsFunc(f.Flags, func(flag Flag) bool { return e.Flags&flag.Mask == flag.Value }))
		},
		reads: event.Flags,
	},
	byGlobs(Entry{
		Flag: "path", Help: "opens of files like this. * is anything without a slash, ** anything, and dir/** is dir and all below it; quote it. With a slash in front it is compared with the absolute path, else with the name as it was passed. Links are not followed: --realpath compares what was opened",
		program: pathMacros,
		match:   func(f *Filter, e *event.Event) Verdict { return f.Paths.of(e) },
	}, func(f *Filter) *Globs { return &f.Paths }),
	byGlobs(Entry{
		Flag: "exclude-path", Help: "no opens of files like this, compared as for --path",
		program: excludedPathMacros,
		match:   func(f *Filter, e *event.Event) Verdict { return f.ExcludedPaths.of(e).not() },
	}, func(f *Filter) *Globs { return &f.ExcludedPaths }),
	byGlobs(Entry{
		Flag: "realpath", Help: "opens of files like this, after links were followed; adds REALPATH", Column: "realpath",
		match: func(f *Filter, e *event.Event) Verdict { return f.RealPaths.ofReal(e) },
		reads: event.File,
	}, func(f *Filter) *Globs { return &f.RealPaths }),
	byGlobs(Entry{
		Flag: "exe", Help: "opens by programs whose absolute path is like this; adds EXE", Column: "exe",
		match: func(f *Filter, e *event.Event) Verdict { return f.Exes.ofPlace(&e.Exe) },
		reads: event.Exe,
	}, func(f *Filter) *Globs { return &f.Exes }),
	without(numbers(Entry{
		Flag: "exclude-pid", Help: "no opens of these processes",
		Value: func(f *Filter) Value { return (*PIDs)(&f.ExcludedPIDs) },
	}, &event.Number{Value: "local >> 32", Of: func(e *event.Event) *uint32 { return &e.TGID }}, func(f *Filter) []uint32 { return f.ExcludedPIDs })),
	without(numbers(Entry{
		Flag: "exclude-uid", Help: "no opens of these users",
		Value: func(f *Filter) Value { return (*users)(&f.ExcludedUIDs) },
	}, event.NumberOf("uid"), func(f *Filter) []uint32 { return f.ExcludedUIDs })),
	without(byComm(Entry{
		Flag: "exclude-name", Help: "no opens of threads and processes whose name (comm) contains this",
		Value: func(f *Filter) Value { return (*comms)(&f.ExcludedComms) },
	}, "COMMS_EXCLUDED", func(f *Filter) []string { return f.ExcludedComms })),
	byCgroup(Entry{
		Flag: "container", Help: "opens in the container with this name, or whose id begins with this, also if it starts later; adds CONTAINER", Column: "container",
		Value: func(f *Filter) Value { return (*containerNames)(&f.Containers) },
		used:  func(f *Filter) bool { return len(f.Containers) > 0 },
		match: matchContainer,
	}),
	byCgroup(Entry{
		Flag: "unit", Help: "opens in this systemd unit, such as nginx.service, or in all units of a slice, also if it starts later; adds UNIT", Column: "unit",
		Value: func(f *Filter) Value { return (*unitNames)(&f.Units) },
		used:  func(f *Filter) bool { return len(f.Units) > 0 },
		match: func(f *Filter, e *event.Event) Verdict { return show(f.WantsUnit(e.Unit)) },
	}),
	byCgroup(Entry{
		Flag: "containers", Help: "opens in any container; adds CONTAINER", Column: "container",
		Bool:  func(f *Filter) *bool { return &f.InContainer },
		used:  func(f *Filter) bool { return f.InContainer },
		match: matchContainer,
	}),
	{
		Flag: "cgroupmap", Help: "opens in cgroups whose ids are keys of the BPF map pinned here, for programs that choose at run time",
		Value:   func(f *Filter) Value { return (*pinned)(&f.Cgroups) },
		used:    func(f *Filter) bool { return f.Cgroups != "" },
		program: func(*Filter, event.Fields) []macro { return []macro{{"CGROUPS", defined}} },
	},
	{
		Flag: "mntnsmap", Help: "the same for ids of mount namespaces",
		Value:   func(f *Filter) Value { return (*pinned)(&f.MountNamespaces) },
		used:    func(f *Filter) bool { return f.MountNamespaces != "" },
		program: func(*Filter, event.Fields) []macro { return []macro{{"MNTNSES", defined}} },
	},
}

// Unset are the macros of all filters, as they are without one.
var Unset = []string{
	"PID_SLOT=0", "PIDS=0", "FOLLOW=0", "FOLLOWED_EXCLUDED=0", "CGROUPS=0", "CGROUPS_EXCLUDED=0", "MNTNSES=0", "SLOWER=0",
	"BY_COMM=0", "BY_ANCESTOR=0", "BY_NAME=0", "BY_PATH=0", "BY_TOP=0", "BAD_NAMES=1",
	"LISTED=true", "COMMS=true", "COMMS_EXCLUDED=false", "UNDER=true", "FLAGS_WANTED=true", "RESULT_WANTED=true",
	"NAMES=true", "NAMES_EXCLUDED=false", "PATHS=true", "PATHS_EXCLUDED=false", "TOPS=true",
}

// reads are what the program must know before it comes to such an expression, as [Reads] says.
var reads = map[string][]string{
	"COMMS":          {"BY_COMM"},
	"COMMS_EXCLUDED": {"BY_COMM"},
	"UNDER":          {"BY_ANCESTOR"},
	"NAMES":          {"BY_NAME", "BAD_NAMES=0"},
	"NAMES_EXCLUDED": {"BY_NAME"},
	"PATHS":          {"BY_NAME", "BY_PATH", "BAD_NAMES=0"},
	"PATHS_EXCLUDED": {"BY_NAME", "BY_PATH"},
	"TOPS":           {"BY_TOP"},
}

// show is the verdict on what is wanted or not.
func show(wanted bool) Verdict {
	if wanted {
		return Show
	}
	return Drop
}

// numbers completes a filter by a list of numbers, which are compared with one of the task.
func numbers(e Entry, n *event.Number, list func(*Filter) []uint32) *Entry {
	e.reads = n.Field
	e.used = func(f *Filter) bool { return len(list(f)) > 0 }
	e.compares = e.reads
	e.program = func(f *Filter, _ event.Fields) []macro {
		return []macro{{listed, fmt.Sprintf("ONE_OF(%s, %s)", n.C(), cases(list(f)))}}
	}
	e.match = func(f *Filter, ev *event.Event) Verdict { return show(slices.Contains(list(f), *n.Of(ev))) }
	return &e
}

// without makes a filter one for what not to show.
func without(e *Entry) *Entry {
	match, program := e.match, e.program
	e.match = func(f *Filter, ev *event.Event) Verdict { return match(f, ev).not() }
	if program == nil {
		return e
	}
	e.program = func(f *Filter, fields event.Fields) []macro {
		macros := program(f, fields)
		for i := range macros {
			if macros[i].name == listed {
				macros[i].value = "!" + macros[i].value
			}
		}
		return macros
	}
	return e
}

// byComm completes a filter by parts of comms.
func byComm(e Entry, name string, list func(*Filter) []string) *Entry {
	e.used = func(f *Filter) bool { return len(list(f)) > 0 }
	e.exact = func(f *Filter) bool { return len(list(f)) <= commsMax }
	e.needs = func(f *Filter) event.Fields {
		if len(list(f)) <= commsMax {
			return 0
		}
		return event.Process
	}
	e.program = func(f *Filter, _ event.Fields) []macro { return []macro{{name, hasComms(list(f))}} }
	e.match = func(f *Filter, ev *event.Event) Verdict { return show(hasComm(list(f), ev)) }
	e.reads = event.Process
	return &e
}

// byResult completes a filter by how opens end. An unknown result is neither a failure nor a success. The
// kernel does the same, but for calls that are taken from it before they end.
func byResult(e Entry, wanted func(f *Filter, result int32) bool) *Entry {
	e.needs = func(*Filter) event.Fields { return event.Result }
	e.program = func(f *Filter, _ event.Fields) []macro { return []macro{{"RESULT_WANTED", f.resultWanted()}} }
	e.late = true
	e.match = func(f *Filter, ev *event.Event) Verdict {
		return show(ev.Result != event.ResultUnknown && wanted(f, ev.Result))
	}
	e.reads = event.Result
	return &e
}

// byGlobs completes a filter by patterns, of which the kernel compares only how they start. Those of
// names and of paths are under one flag.
func byGlobs(e Entry, list func(*Filter) *Globs) *Entry {
	e.Value = func(f *Filter) Value { return list(f) }
	e.used = func(f *Filter) bool { return len(*list(f)) > 0 }
	reads := e.reads
	e.needs = func(f *Filter) event.Fields {
		if reads == 0 && list(f).byPath() {
			return event.Path
		}
		return reads
	}
	e.exact = func(*Filter) bool { return false }
	return &e
}

// byCgroup completes a filter by what cgroups are of. The program leaves out those that user space
// tells it to.
func byCgroup(e Entry) *Entry {
	e.needs = func(*Filter) event.Fields { return event.Cgroup }
	e.program = func(*Filter, event.Fields) []macro { return []macro{{"CGROUPS_EXCLUDED", defined}} }
	e.exact = func(*Filter) bool { return false }
	e.reads = event.Cgroup
	return &e
}

func matchContainer(f *Filter, e *event.Event) Verdict { return show(f.WantsContainer(e.Container)) }
