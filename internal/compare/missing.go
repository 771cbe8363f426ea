package compare

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
	"opensnoop/internal/format"
	"opensnoop/internal/record"
)

// Wanted is a thing that a program looked for, in one place or in several.
type Wanted struct {
	Program text    `json:"program"`
	Name    text    `json:"name"`   // the last part of its paths
	Places  []Place `json:"places"` // where it was not, in the order in which they were tried
	Found   text    `json:"found,omitempty"`
}

// text is what JSON has no byte of that could steer a terminal.
type text string

// MarshalJSON escapes what is not printable.
func (t text) MarshalJSON() ([]byte, error) { return format.AppendJSON(nil, []byte(t)), nil }

// Place is where a thing was not.
type Place struct {
	Path  text   `json:"path"`
	Error string `json:"error"`
	// Why says more, of the file system as it is now: which folder does not exist, or refuses.
	Why text `json:"why,omitempty"`

	uid uint32
}

// none is no number of a set.
const none = math.MaxUint32

// Search is what the programs of a recording looked for, at least once in vain.
type Search struct {
	things pairs // programs with last parts of paths
	state  list[thing]
	tried  pairs // programs with paths
	places list[place]
}

// thing is what was looked for.
type thing struct{ first, last, found uint32 } // of tried, or none

// place is where a thing was not.
type place struct {
	next  uint32 // of tried, or none
	uid   uint32
	errno int32
}

// Missing returns what a recording's programs looked for at least once in vain.
func Missing(in *record.Reader) (*Search, error) {
	sets := newBudget()
	programs := sets.set()
	s := &Search{things: pairs{programs: programs, set: sets.set()}, tried: pairs{programs: programs, set: sets.set()}}
	return s, each(in, func(e *event.Event) error {
		p := path(e)
		if e.Result == event.ResultUnknown || !absolute(p) {
			return nil
		}
		program, _, err := programs.add(caller(e))
		if err != nil {
			return err
		}
		return s.add(program, p, e)
	})
}

// add adds a place of a thing that is missing there, or was so before.
func (s *Search) add(program uint32, path []byte, e *event.Event) error {
	name := path[bytes.LastIndexByte(path, '/')+1:]
	if !failed(e) && !s.things.has(program, name) {
		return nil
	}
	number, isNew, err := s.things.add(program, name)
	if err != nil {
		return err
	}
	if isNew {
		s.state.add(thing{none, none, none})
	}
	thing := s.state.at(number)
	if thing.found != none {
		return nil
	}
	at, isNew, err := s.tried.add(program, path)
	if err != nil {
		return err
	}
	if isNew {
		s.places.add(place{next: none})
	}
	switch {
	case !failed(e):
		thing.found = at
		return nil
	case !isNew:
		return nil
	case thing.first == none:
		thing.first = at
	default:
		s.places.at(thing.last).next = at
	}
	thing.last = at
	uid := e.EUID
	if !e.Fields.Has(event.EUID) {
		uid = e.UID
	}
	*s.places.at(at) = place{none, uid, -e.Result}
	return nil
}

// each hands out what was looked for: first what was never found, in the order in which it was first
// looked for. With explain, it looks at the file system as it is now.
func (s *Search) each(explain bool, do func(w *Wanted) error) error {
	for _, found := range []bool{false, true} {
		for number := range s.things.set.len() {
			if (s.state.at(number).found != none) != found {
				continue
			}
			if err := do(s.wanted(number, explain)); err != nil {
				return err
			}
		}
	}
	return nil
}

// wanted is a thing with all its places.
func (s *Search) wanted(number uint32, explain bool) *Wanted {
	thing := s.state.at(number)
	program, name := s.things.of(number)
	w := &Wanted{Program: text(s.things.programs.text(program)), Name: text(name)}
	if thing.found != none {
		_, found := s.tried.of(thing.found)
		w.Found = text(found)
	}
	for at := thing.first; at != none; at = s.places.at(at).next {
		_, path := s.tried.of(at)
		p := Place{Path: text(path), Error: nameOf(unix.Errno(s.places.at(at).errno)), uid: s.places.at(at).uid}
		if explain {
			p.Why = text(why(&p))
		}
		w.Places = append(w.Places, p)
	}
	return w
}

// MissingOptions say how what is missing is written.
type MissingOptions struct {
	All     bool // all things and places
	Explain bool // look at the file system as it is now
	Note    string
}

// shownMax and placesShown are how many things, and places of each, are written without All.
const (
	shownMax    = 40
	placesShown = 10
)

// Write writes what is missing for people.
func (s *Search) Write(w io.Writer, o MissingOptions) error {
	out := bufio.NewWriter(w)
	shown, all, found := 0, 0, 0
	for number := range s.things.set.len() {
		all++
		if s.state.at(number).found != none {
			found++
		}
	}
	err := s.each(o.Explain, func(thing *Wanted) error {
		if shown == shownMax && !o.All {
			return io.EOF
		}
		shown++
		return writeThing(out, thing, o)
	})
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if left := all - shown; left > 0 {
		fmt.Fprintf(out, "… and %d more (--all)\n", left)
	}
	fmt.Fprintf(out, "%d not found", all-found)
	if found > 0 {
		fmt.Fprintf(out, ", %d found later", found)
	}
	fmt.Fprintf(out, ".%s\n", o.Note)
	return out.Flush()
}

func writeThing(out *bufio.Writer, thing *Wanted, o MissingOptions) error {
	program := format.AppendEscaped(nil, short([]byte(thing.Program)))
	name := format.AppendEscaped(nil, []byte(thing.Name))
	if thing.Found != "" {
		_, err := fmt.Fprintf(out, "%s: %s found: %s, after %s\n", program, name, escapedPath([]byte(thing.Found)), places(len(thing.Places), "other "))
		return err
	}
	fmt.Fprintf(out, "%s: %s not found in %s:\n", program, name, places(len(thing.Places), ""))
	for i, p := range thing.Places {
		if i == placesShown && !o.All {
			fmt.Fprintf(out, "    … and %d more (--all)\n", len(thing.Places)-i)
			break
		}
		fmt.Fprintf(out, "    %-7s %s", p.Error, escapedPath([]byte(p.Path)))
		if p.Why != "" {
			fmt.Fprintf(out, ": %s", format.AppendPrintable(nil, []byte(p.Why)))
		}
		io.WriteString(out, "\n")
	}
	_, err := out.Write(nil) // fails when a write before has
	return err
}

func places(n int, other string) string {
	if n == 1 {
		return "1 " + other + "place"
	}
	return fmt.Sprintf("%d %splaces", n, other)
}

// WriteJSON writes each thing as an object on a line. With explain, it looks at the file system as it
// is now.
func (s *Search) WriteJSON(w io.Writer, explain bool) error {
	out := bufio.NewWriter(w)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	err := s.each(explain, func(thing *Wanted) error { return encoder.Encode(thing) })
	return errors.Join(err, out.Flush())
}
