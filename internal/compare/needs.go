package compare

import (
	"bufio"
	"bytes"
	"debug/elf"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
	"opensnoop/internal/format"
	"opensnoop/internal/record"
)

// Files are what a run needed: each file that it read or executed and did not make itself.
type Files struct {
	Read     []string // absolute paths, in the order in which they were first opened
	Executed []string // of those, what was executed
	Found    []string // what was looked for and found, and not read or executed before
	Real     []string // what links among those that were read led to
}

// notFiles are file systems that a kernel makes up.
var notFiles = []string{"/proc", "/sys", "/dev"}

// madeUp reports whether a path is on one of them.
func madeUp(path []byte) bool {
	return slices.ContainsFunc(notFiles, func(dir string) bool {
		rest, ok := bytes.CutPrefix(path, []byte(dir))
		return ok && (len(rest) == 0 || rest[0] == '/')
	})
}

// Needed returns the files that a recording's run needed.
func Needed(in *record.Reader) (Files, error) {
	b := newBudget()
	read, executed, made, looked, real := b.set(), b.set(), b.set(), b.set(), b.set()
	err := each(in, func(e *event.Event) (err error) {
		p := path(e)
		if !absolute(p) || madeUp(p) || made.has(p) {
			return nil
		}
		switch {
		case found(e):
			if !read.has(p) {
				_, _, err = looked.add(p)
			}
		case !opened(e):
		case e.Fields.Has(event.File) && e.Created, !e.Exec && e.Flags&unix.O_ACCMODE != unix.O_RDONLY && e.Flags&unix.O_TRUNC != 0:
			_, _, err = made.add(p) // or filled anew
		case e.Flags&unix.O_DIRECTORY != 0:
		case e.Exec || e.Flags&unix.O_ACCMODE != unix.O_WRONLY:
			_, _, err = read.add(p)
			if e.Exec && err == nil {
				_, _, err = executed.add(p)
			}
			if to := &e.Real; err == nil && e.Fields.Has(event.File) && to.Problem == event.PathExact && absolute(to.Known) && !madeUp(to.Known) && !made.has(to.Known) {
				_, _, err = real.add(to.Known)
			}
		}
		return err
	})
	return Files{read.texts(), executed.texts(), looked.texts(), real.texts()}, err
}

// Recorded returns all paths as they were recorded, for another machine.
func (f Files) Recorded() []string {
	var all []string
	seen := map[string]bool{}
	for _, path := range slices.Concat(f.Read, f.Found, f.Real) {
		if !seen[path] {
			seen[path] = true
			all = append(all, path)
		}
	}
	return all
}

// WithLinks returns paths with all that leads to them on this machine: each symbolic link on the
// way, and the files themselves, without a link in their paths. Folders are left out. Loaders and
// interpreters of programs come too, as not every probe sees the kernel open them.
func (f Files) WithLinks() []string {
	var all []string
	seen := map[string]bool{}
	add := func(path string) {
		if !seen[path] && !madeUp([]byte(path)) {
			seen[path] = true
			all = append(all, path)
		}
	}
	paths := slices.Concat(f.Read, f.Found)
	for _, program := range f.Executed {
		if interpreter := interpreterOf(program); interpreter != "" {
			paths = append(paths, interpreter)
		}
	}
	for _, path := range paths {
		follow(path, add)
	}
	return all
}

// linksMax is how many links are followed, as the kernel does (MAXSYMLINKS in
// include/linux/namei.h).
const linksMax = 40

// follow calls add with each symbolic link on the way of a path, and with the file at its end, each
// by a path without links.
func follow(path string, add func(string)) {
	at := "/"
	rest := strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		next := filepath.Join(at, part)
		st, err := os.Lstat(next)
		if err != nil {
			return // it is gone meanwhile
		}
		if st.Mode()&os.ModeSymlink == 0 {
			at = next
			if len(rest) == 0 && !st.IsDir() {
				add(next)
			}
			continue
		}
		if links++; links > linksMax {
			return
		}
		target, err := os.Readlink(next)
		if err != nil {
			return
		}
		add(next)
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = slices.Concat(strings.Split(target, "/"), rest)
	}
}

// interpreterOf is the loader of an ELF program, or the interpreter of a script; "" for none.
func interpreterOf(program string) string {
	file, err := os.OpenFile(program, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer file.Close()
	if st, err := file.Stat(); err != nil || !st.Mode().IsRegular() {
		return ""
	}
	if binary, err := elf.NewFile(file); err == nil {
		for _, segment := range binary.Progs {
			if segment.Type == elf.PT_INTERP && segment.Filesz < unix.PathMax {
				name, _ := io.ReadAll(segment.Open())
				return strings.TrimRight(string(name), "\x00")
			}
		}
		return ""
	}
	line, _ := bufio.NewReaderSize(io.NewSectionReader(file, 0, 256), 256).ReadString('\n') // BINPRM_BUF_SIZE
	if rest, ok := strings.CutPrefix(line, "#!"); ok {
		if fields := strings.Fields(rest); len(fields) > 0 {
			return fields[0]
		}
	}
	return ""
}

// Depfile is a rule of make: target depends on files. left is how many of them have names that make
// cannot take.
func Depfile(target string, files []string) (rule string, left int) {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(escapeMake(target), "%", `\%`) + ":") // no pattern
	for i, file := range files {
		if !MakeTakes(file) {
			left++
			continue
		}
		if i == left && strings.Contains(file, "=") {
			b.WriteString(" $()") // nothing, so that this is no variable of the target's
		}
		b.WriteString(" \\\n  " + escapeMake(file))
	}
	b.WriteString("\n")
	return b.String(), left
}

// MakeTakes reports whether make can take a name: there is no way to write what ends a rule, or a
// word of it. Nor may it steer a terminal that the rule is shown on.
func MakeTakes(name string) bool {
	for i, c := range name {
		c1 := c == utf8.RuneError && name[i] < 0xa0 // a byte that is not UTF-8
		if c < ' ' || c == 0x7f || c1 || strings.ContainsRune(`;|()\`, c) {
			return false
		}
	}
	text := []byte(strings.ToValidUTF8(name, "?"))
	return bytes.Equal(format.AppendPrintable(nil, text), text)
}

// MakeTakesTarget reports whether make can take the name of a target: with a = it is a variable's.
func MakeTakesTarget(name string) bool { return MakeTakes(name) && !strings.Contains(name, "=") }

// escapeMake writes a name as make takes it.
func escapeMake(name string) string {
	return strings.NewReplacer("$", "$$", " ", `\ `, "#", `\#`, ":", `\:`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

// loads reports whether a file is one that the loader and the C library open in every program.
func loads(path string) bool {
	base := filepath.Base(path)
	return base == "ld.so.cache" || base == "locale-archive" || strings.HasSuffix(base, ".so") || strings.Contains(base, ".so.") ||
		strings.Contains(path, "/locale/") || strings.Contains(path, "/gconv/")
}

// Sources are the files that were read, without programs and what every program loads: what a rule
// of make lists.
func (f Files) Sources() []string {
	executed := map[string]bool{}
	for _, path := range f.Executed {
		executed[path] = true
	}
	return slices.DeleteFunc(slices.Clone(f.Read), func(path string) bool { return executed[path] || loads(path) })
}
