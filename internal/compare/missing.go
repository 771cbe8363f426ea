package compare

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"opensnoop/internal/event"
	"opensnoop/internal/format"
	"opensnoop/internal/record"
)

// Wanted is a thing that a program looked for, in one place or in several.
type Wanted struct {
	Program string  `json:"program"`
	Name    string  `json:"name"`   // the last part of its paths
	Places  []Place `json:"places"` // where it was not, in the order in which they were tried
	Found   string  `json:"found,omitempty"`
}

// Place is where a thing was not.
type Place struct {
	Path  string `json:"path"`
	Error string `json:"error"`
	// Why says more, of the file system as it is now: which folder does not exist, or refuses.
	Why string `json:"why,omitempty"`

	uid uint32
}

// placesMax is how many places of a thing are kept: more are counted by programs that ask forever.
const placesMax = 256

// wantedMax is how many things are kept.
const wantedMax = 100_000

// Missing returns what a recording's programs looked for at least once in vain, first what they
// never found, in the order in which it was first looked for. cut is how many things were too many.
func Missing(in *record.Reader) (wanted []*Wanted, cut int, err error) {
	things := map[key]*Wanted{}
	err = each(in, func(e *event.Event) {
		p := path(e)
		if e.Result == event.ResultUnknown || !absolute(p) {
			return
		}
		k := key{program(e), filepath.Base(p)}
		thing := things[k]
		switch {
		case thing == nil && !failed(e):
			return
		case thing == nil && len(things) >= wantedMax:
			cut++
			return
		case thing == nil:
			thing = &Wanted{Program: k.program, Name: k.path}
			things[k] = thing
			wanted = append(wanted, thing)
		}
		thing.add(p, e)
	})
	slices.SortStableFunc(wanted, func(a, b *Wanted) int { return order(a) - order(b) })
	return wanted, cut, err
}

// order has what was never found come first.
func order(w *Wanted) int {
	if w.Found == "" {
		return 0
	}
	return 1
}

// add adds a place.
func (w *Wanted) add(path string, e *event.Event) {
	if !failed(e) {
		if w.Found == "" {
			w.Found = path
		}
		return
	}
	known := slices.ContainsFunc(w.Places, func(p Place) bool { return p.Path == path })
	if known || w.Found != "" || len(w.Places) >= placesMax {
		return
	}
	uid := e.EUID
	if !e.Fields.Has(event.EUID) {
		uid = e.UID
	}
	w.Places = append(w.Places, Place{Path: path, Error: errorName(e), uid: uid})
}

// Explain looks at the file system as it is now, for why each place has it not.
func Explain(wanted []*Wanted) {
	for _, w := range wanted {
		for i := range w.Places {
			w.Places[i].Why = why(&w.Places[i])
		}
	}
}

// MissingOptions say how what is missing is written.
type MissingOptions struct {
	All  bool // all things and places
	Note string
}

// shownMax and placesShown are how many things, and places of each, are written without All.
const (
	shownMax    = 40
	placesShown = 10
)

// WriteMissing writes what is missing for people.
func WriteMissing(w io.Writer, wanted []*Wanted, o MissingOptions) error {
	out := bufio.NewWriter(w)
	shown, notFound := 0, 0
	for _, thing := range wanted {
		if thing.Found == "" {
			notFound++
		}
		if shown == shownMax && !o.All {
			continue
		}
		shown++
		writeThing(out, thing, o)
	}
	if left := len(wanted) - shown; left > 0 {
		fmt.Fprintf(out, "… and %d more (--all)\n", left)
	}
	fmt.Fprintf(out, "%d not found, %d found after some places%s\n", notFound, len(wanted)-notFound, o.Note)
	return out.Flush()
}

func writeThing(out io.Writer, thing *Wanted, o MissingOptions) {
	program := format.AppendEscaped(nil, []byte(short(thing.Program)))
	name := format.AppendEscaped(nil, []byte(thing.Name))
	if thing.Found != "" {
		fmt.Fprintf(out, "%s: %s found: %s, after %s\n", program, name, escapedPath(thing.Found), places(len(thing.Places)))
		return
	}
	fmt.Fprintf(out, "%s: %s not found in %s:\n", program, name, places(len(thing.Places)))
	for i, p := range thing.Places {
		if i == placesShown && !o.All {
			fmt.Fprintf(out, "    … and %d more (--all)\n", len(thing.Places)-i)
			break
		}
		fmt.Fprintf(out, "    %-7s %s", p.Error, escapedPath(p.Path))
		if p.Why != "" {
			fmt.Fprintf(out, ": %s", format.AppendPrintable(nil, []byte(p.Why)))
		}
		io.WriteString(out, "\n")
	}
}

func places(n int) string {
	if n == 1 {
		return "1 place"
	}
	return fmt.Sprintf("%d places", n)
}

// WriteMissingJSON writes each thing as an object on a line.
func WriteMissingJSON(w io.Writer, wanted []*Wanted) error {
	out := bufio.NewWriter(w)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for _, thing := range wanted {
		for _, text := range []*string{&thing.Program, &thing.Name, &thing.Found} {
			*text = strings.ToValidUTF8(*text, "\ufffd")
		}
		if err := encoder.Encode(thing); err != nil {
			return err
		}
	}
	return out.Flush()
}
