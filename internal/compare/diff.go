package compare

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
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

// outcomes are those of a program's opens of one path: bits of a table.
type outcomes uint64

// outcomeNames are all outcomes that were seen, by their bits; the last stands for all others.
type outcomeNames struct{ names []string }

func (n *outcomeNames) bit(name string) outcomes {
	i := slices.Index(n.names, name)
	if i < 0 {
		if len(n.names) >= 63 {
			name, i = "other", 63
		} else {
			i = len(n.names)
		}
		if len(n.names) < 64 {
			n.names = append(n.names, name)
		}
	}
	return 1 << i
}

func (n *outcomeNames) text(o outcomes) string {
	if o == 0 {
		return "-"
	}
	var words []string
	for i, name := range n.names {
		if o&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}

// Diff compares two recordings, by program and path.
type Diff struct {
	o     DiffOptions
	sets  *budget
	names outcomeNames
	keys  pairs
	runs  list[[2]outcomes] // of each key, those of A and of B
	made  *set              // paths that a run made under a name that was free (O_EXCL)
}

// NewDiff returns a Diff of what a and b record.
func NewDiff(a, b *record.Reader, o DiffOptions) (*Diff, error) {
	sets := newBudget()
	d := &Diff{o: o, sets: sets, keys: pairs{programs: sets.set(), set: sets.set()}, made: sets.set()}
	if err := d.read(a, 0, o.Map); err != nil {
		return nil, fmt.Errorf("the first recording: %w", err)
	}
	if err := d.read(b, 1, nil); err != nil {
		return nil, fmt.Errorf("the second recording: %w", err)
	}
	if !o.NoMask {
		if err := d.mask(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Diff) read(in *record.Reader, run int, mappings []Mapping) error {
	return each(in, func(e *event.Event) error {
		p := mapped(path(e), mappings)
		if absolute(p) && d.o.Ignore.Match(p) {
			return nil
		}
		by := mapped(program(e), mappings)
		if !d.o.NoMask {
			p, by = maskProcess(p), maskProcess(by)
		}
		program, _, err := d.keys.programs.add(by)
		if err != nil {
			return err
		}
		const exclusive = unix.O_CREAT | unix.O_EXCL
		if opened(e) && e.Flags&exclusive == exclusive {
			if _, _, err := d.made.add(p); err != nil {
				return err
			}
		}
		return d.add(program, p, run, d.names.bit(outcome(e)))
	})
}

// add adds outcomes of a run to a key.
func (d *Diff) add(program uint32, path []byte, run int, o outcomes) error {
	key, isNew, err := d.keys.add(program, path)
	if err != nil {
		return err
	}
	if isNew {
		d.runs.add([2]outcomes{})
	}
	d.runs.at(key)[run] |= o
	return nil
}

// mapped returns the path that a path has in the other recording.
func mapped(path []byte, mappings []Mapping) []byte {
	for _, m := range mappings {
		if rest, ok := bytes.CutPrefix(path, []byte(m.From)); ok && (len(rest) == 0 || rest[0] == '/') {
			return append([]byte(m.To), rest...)
		}
	}
	return path
}

// Differ reports whether there is a difference.
func (d *Diff) Differ() bool {
	for key := range d.keys.set.len() {
		if o := d.runs.at(key); o[0] != o[1] {
			return true
		}
	}
	return false
}

// differing returns the keys that differ, by program, folder and path.
func (d *Diff) differing() []uint32 {
	n := 0
	for key := range d.keys.set.len() {
		if o := d.runs.at(key); o[0] != o[1] {
			n++
		}
	}
	keys := make([]uint32, 0, n)
	for key := range d.keys.set.len() {
		if o := d.runs.at(key); o[0] != o[1] {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(x, y uint32) int {
		xProgram, xPath := d.keys.of(x)
		yProgram, yPath := d.keys.of(y)
		return cmp.Or(
			bytes.Compare(d.keys.programs.text(xProgram), d.keys.programs.text(yProgram)),
			bytes.Compare(folderOf(xPath), folderOf(yPath)), bytes.Compare(xPath, yPath))
	})
	return keys
}

// folderOf is the folder that a path is in, with a slash; all of a mark.
func folderOf(path []byte) []byte {
	if !absolute(path) {
		return path
	}
	return path[:bytes.LastIndexByte(path, '/')+1]
}

// foldMin is how many lines of a folder become one.
const foldMin = 8

// Write writes the differences as a table, with no byte that could steer a terminal.
func (d *Diff) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	keys := d.differing()
	if len(keys) > 0 {
		fmt.Fprintf(out, "  %-16s %-12s %-12s %s\n", "PROGRAM", "A", "B", "PATH")
	}
	for len(keys) > 0 {
		n := 1
		program, path := d.keys.of(keys[0])
		folder := folderOf(path)
		for ; n < len(keys); n++ {
			if next, path := d.keys.of(keys[n]); next != program || !bytes.Equal(folderOf(path), folder) {
				break
			}
		}
		d.writeFolder(out, keys[:n])
		keys = keys[n:]
	}
	return out.Flush()
}

// writeFolder writes what a program's opens in a folder differ in. Many that differ alike are one line.
func (d *Diff) writeFolder(out io.Writer, keys []uint32) {
	count := map[[2]outcomes]int{}
	for _, key := range keys {
		count[*d.runs.at(key)]++
	}
	for _, key := range keys {
		program, path := d.keys.of(key)
		o := *d.runs.at(key)
		mark := '!'
		switch {
		case o[1] == 0:
			mark = '-'
		case o[0] == 0:
			mark = '+'
		}
		n := count[o]
		fold := n >= foldMin && absolute(path) && !d.o.All
		if n == 0 {
			continue // another line stands for it
		}
		if fold {
			path, count[o] = folderOf(path), 0
		}
		name := format.AppendEscaped(nil, short(d.keys.programs.text(program)))
		fmt.Fprintf(out, "%c %-16s %-12s %-12s %s", mark, name, d.names.text(o[0]), d.names.text(o[1]), escapedPath(path))
		if fold {
			fmt.Fprintf(out, " (%d files; --all names them)", n)
		}
		io.WriteString(out, "\n")
	}
}

// escapedPath is a path for a table. What [path] returns else is escaped already.
func escapedPath(path []byte) []byte {
	if !absolute(path) {
		return path
	}
	return format.AppendEscaped(nil, path)
}
