package compare

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/format"
	"opensnoop/internal/record"
)

// DiffOptions say what a difference is.
type DiffOptions struct {
	Ignore filter.Globs // paths not to compare
	Map    []Mapping    // of A's paths, to where they are in B
	NoMask bool         // compare numbers of processes and temporary names, too
	All    bool         // a line for each file, not for many of a folder
}

// Mapping is a folder that has another path in the second recording.
type Mapping struct{ From, To string }

// key is what is compared.
type key struct{ program, path string }

// Run is what a recording has to be compared.
type Run struct {
	outcomes  map[key]outcomes
	temporary map[string]bool // paths that the run made under a name that was free (O_EXCL)
}

// outcomes are those of a program's opens of one path: bits of a table.
type outcomes uint64

// outcomeNames are all outcomes that were seen, by their bits; the last stands for all others.
type outcomeNames struct{ names []string }

func (n *outcomeNames) bit(name string) outcomes {
	i := slices.Index(n.names, name)
	if i < 0 {
		if len(n.names) == 63 {
			name, i = "other", 63
		} else {
			i = len(n.names)
		}
		n.names = append(n.names, name)
	}
	return 1 << i
}

func (n *outcomeNames) text(o outcomes) string {
	var words []string
	for i, name := range n.names {
		if o&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}

// Diff compares two recordings.
type Diff struct {
	o     DiffOptions
	names outcomeNames
	texts map[string]string // one copy of each path and program, for both runs, while they are read
	a, b  *Run
}

// NewDiff returns a Diff of what a and b record.
func NewDiff(a, b *record.Reader, o DiffOptions) (*Diff, error) {
	d := &Diff{o: o, texts: map[string]string{}}
	var err error
	if d.a, err = d.read(a, o.Map); err != nil {
		return nil, fmt.Errorf("the first recording: %w", err)
	}
	if d.b, err = d.read(b, nil); err != nil {
		return nil, fmt.Errorf("the second recording: %w", err)
	}
	d.texts = nil
	if !o.NoMask {
		d.a.mask(d.b)
	}
	return d, nil
}

func (d *Diff) read(in *record.Reader, mappings []Mapping) (*Run, error) {
	r := &Run{outcomes: map[key]outcomes{}, temporary: map[string]bool{}}
	err := each(in, func(e *event.Event) {
		p := mapped(path(e), mappings)
		if absolute(p) && d.o.Ignore.Match([]byte(p)) {
			return
		}
		if !d.o.NoMask {
			p = maskProcess(p)
		}
		k := key{d.intern(mapped(program(e), mappings)), p}
		before, ok := r.outcomes[k]
		if !ok {
			k.path = d.intern(k.path)
		}
		r.outcomes[k] = before | d.names.bit(outcome(e))
		const exclusive = unix.O_CREAT | unix.O_EXCL
		if opened(e) && e.Flags&exclusive == exclusive {
			r.temporary[k.path] = true
		}
	})
	return r, err
}

// intern returns one copy of a text that comes often.
func (d *Diff) intern(text string) string {
	if same, ok := d.texts[text]; ok {
		return same
	}
	text = strings.Clone(text)
	d.texts[text] = text
	return text
}

// mapped returns the path that a path has in the other recording.
func mapped(path string, mappings []Mapping) string {
	for _, m := range mappings {
		if rest, ok := strings.CutPrefix(path, m.From); ok && (rest == "" || rest[0] == '/') {
			return m.To + rest
		}
	}
	return path
}

// Line is a difference.
type Line struct {
	Mark    byte // '-' only in A, '+' only in B, '!' another outcome
	Program string
	Path    string
	Files   int    // how many there are of, if Path is a folder that stands for them
	A, B    string // outcomes, by commas
}

// foldMin is how many lines of a folder become one.
const foldMin = 8

// Lines returns the differences, by program and path.
func (d *Diff) Lines() []Line {
	var lines []Line
	for k, a := range d.a.outcomes {
		b := d.b.outcomes[k]
		switch {
		case b == 0:
			lines = append(lines, Line{'-', k.program, k.path, 1, d.names.text(a), ""})
		case a != b:
			lines = append(lines, Line{'!', k.program, k.path, 1, d.names.text(a), d.names.text(b)})
		}
	}
	for k, b := range d.b.outcomes {
		if d.a.outcomes[k] == 0 {
			lines = append(lines, Line{'+', k.program, k.path, 1, "", d.names.text(b)})
		}
	}
	slices.SortFunc(lines, func(x, y Line) int {
		return cmp.Or(cmp.Compare(x.Program, y.Program), cmp.Compare(filepath.Dir(x.Path), filepath.Dir(y.Path)), cmp.Compare(x.Path, y.Path), cmp.Compare(x.Mark, y.Mark))
	})
	if !d.o.All {
		lines = fold(lines)
	}
	return lines
}

// fold makes one line of many that differ in the same way in one folder.
func fold(lines []Line) []Line {
	type group struct {
		mark                  byte
		program, folder, a, b string
	}
	of := func(l Line) group { return group{l.Mark, l.Program, filepath.Dir(l.Path), l.A, l.B} }
	count := map[group]int{}
	for _, l := range lines {
		count[of(l)]++
	}
	done := map[group]bool{}
	var folded []Line
	for _, l := range lines {
		g := of(l)
		switch {
		case count[g] < foldMin || !absolute(l.Path):
			folded = append(folded, l)
		case !done[g]:
			done[g] = true
			folded = append(folded, Line{l.Mark, l.Program, g.folder + "/", count[g], l.A, l.B})
		}
	}
	return folded
}

// WriteTable writes lines as a table, with no byte that could steer a terminal.
func WriteTable(w io.Writer, lines []Line) error {
	out := bufio.NewWriter(w)
	if len(lines) > 0 {
		fmt.Fprintf(out, "  %-16s %-12s %-12s %s\n", "PROGRAM", "A", "B", "PATH")
	}
	for _, l := range lines {
		program := format.AppendEscaped(nil, []byte(short(l.Program)))
		fmt.Fprintf(out, "%c %-16s %-12s %-12s %s", l.Mark, program, dash(l.A), dash(l.B), escapedPath(l.Path))
		if l.Files > 1 {
			fmt.Fprintf(out, " (%d files; --all names them)", l.Files)
		}
		out.WriteByte('\n')
	}
	return out.Flush()
}

// escapedPath is a path for a table. A mark is escaped already.
func escapedPath(path string) []byte {
	if !absolute(path) {
		return []byte(path)
	}
	return format.AppendEscaped(nil, []byte(path))
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// Differ reports whether there is a difference.
func (d *Diff) Differ() bool { return !maps.Equal(d.a.outcomes, d.b.outcomes) }
