package format

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"opensnoop/internal/event"
	"opensnoop/internal/filter"
)

// Column is a value of an event: how a table shows it, and the fields that JSON and
// CSV have for it.
type Column struct {
	Name    string       // what --columns takes
	Help    string       // what it shows, in a few words
	Needs   event.Fields // what a record must hold for it
	aliases []string     // names that it may be taken to have

	// The table's. A value wider than the column pushes the rest of its row right.
	header string
	width  int // in characters, unless it is the last
	right  bool
	text   value

	// place is where [Usual] has the column: after those with a smaller one.
	place int
	usual bool // it is in the default table

	// known reports whether an event has the value: a table shows ? where not. If
	// it is nil, an event has it whose fields are those that the column needs.
	known func(e *event.Event) bool

	// OnDemand is whether it is only in what asks for it: records with what it needs cost
	// more, and not every kernel can make them.
	OnDemand bool

	fields   []field
	csv      string // the field that CSV has for the column where a user names it; "" for the first
	long     bool   // its values may be much longer than its width
	leads    bool   // JSON has its fields first
	onAsking bool   // JSON has it only if it is asked for
	origin   bool   // it follows from what [event.Event.AppendOrigin] appends
}

// A value appends a value of an event as text.
type value func(r *rows, b []byte, e *event.Event) []byte

// A field is one of an event in JSON and CSV.
type field struct {
	name     string
	kind     kind
	optional bool                      // JSON leaves it out where it has no value
	known    func(e *event.Event) bool // reports whether there is a value; the column's if nil
	value    value
	derived  bool                      // it follows from the time of day, and that of the row before
	same     func(e *event.Event) bool // reports whether it is what the field of the name is; nil for never
	object   value                     // what JSON has for it, an object; nil for the value
	origin   bool                      // the column's
}

// kind is how JSON shows a value.
type kind uint8

const (
	text   kind = iota // a string
	number             // a number
	list               // an array of the strings between the |
)

// isKnown reports whether an event has the column's value.
func (c *Column) isKnown(e *event.Event) bool {
	if c.known != nil {
		return c.known(e)
	}
	return e.Fields.Has(c.Needs)
}

// shown returns what a table shows: ? where the value is not known.
func (c *Column) shown() value {
	if c.Needs == 0 && c.known == nil {
		return c.text
	}
	return func(r *rows, b []byte, e *event.Event) []byte {
		if !c.isKnown(e) {
			return append(b, '?')
		}
		return c.text(r, b, e)
	}
}

// fieldsOf returns the fields of columns, each with its known set.
func fieldsOf(columns []*Column) []field {
	var all []field
	for _, c := range columns {
		for _, f := range c.fields {
			if f.known == nil {
				f.known = c.isKnown
			}
			f.origin = c.origin
			all = append(all, f)
		}
	}
	return all
}

// numberColumn completes the column of the number of its name in [event.Numbers].
func numberColumn(c Column) *Column {
	n := event.NumberOf(c.Name)
	c.Needs, c.origin = n.Field, true
	c.text = func(_ *rows, b []byte, e *event.Event) []byte { return n.Append(b, e) }
	c.fields = []field{{name: c.Name, kind: number, value: c.text}}
	return &c
}

// exact is the optional field beside the one of that name, with the text's exact
// bytes where it is not UTF-8.
func exact(name string, text func(e *event.Event) []byte) field {
	return exactIf(name, func(*event.Event) bool { return true }, text)
}

// exactIf is the same of a field that is not always known.
func exactIf(name string, known func(e *event.Event) bool, text func(e *event.Event) []byte) field {
	return field{
		name: name + "_base64", optional: true,
		known: func(e *event.Event) bool { return known(e) && !utf8.Valid(text(e)) },
		value: func(_ *rows, b []byte, e *event.Event) []byte {
			return base64.StdEncoding.AppendEncode(b, text(e))
		},
	}
}

// Find returns the column of a name; nil if there is none.
func Find(name string) *Column {
	i := slices.IndexFunc(Columns, func(c *Column) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return Columns[i]
}

// Usual returns the columns of the default table, and among them those of the names
// given too.
func Usual(names ...string) []*Column {
	var usual []*Column
	for _, c := range Columns {
		if c.usual || slices.Contains(names, c.Name) {
			usual = append(usual, c)
		}
	}
	slices.SortFunc(usual, func(a, b *Column) int { return cmp.Compare(a.place, b.place) })
	return usual
}

// fieldColumn returns a column that is one field of JSON and CSV, by the field's name; nil if there is
// none.
func fieldColumn(name string) *Column {
	for _, c := range Columns {
		for _, f := range fieldsOf([]*Column{c}) {
			if f.name == name {
				return &Column{Name: name, Needs: c.Needs, known: c.known, OnDemand: c.OnDemand, fields: []field{f}}
			}
		}
	}
	return nil
}

// IsField reports whether a column is a field of CSV alone, and no column of a table.
func (c *Column) IsField() bool { return c.text == nil }

// ParseColumns returns the columns that a list names, such as "pid,comm", or fields of CSV. The
// error says what was expected.
func ParseColumns(list string) ([]*Column, error) {
	var columns []*Column
	for part := range strings.SplitSeq(list, ",") {
		name := strings.ToLower(strings.TrimSpace(part))
		c := cmp.Or(Find(name), fieldColumn(name))
		if c == nil {
			return nil, fmt.Errorf("%q is no column%s: expected some of %s, by commas", part, suggestion(name), Names(Columns))
		}
		if slices.ContainsFunc(columns, func(other *Column) bool { return other.Name == c.Name }) {
			return nil, fmt.Errorf("the column %s is there twice", c.Name)
		}
		columns = append(columns, c)
	}
	return columns, nil
}

// Names returns the names of columns as [ParseColumns] takes them.
func Names(columns []*Column) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return strings.Join(names, ",")
}

// suggestion asks whether another column was meant, if one is spelled much like
// name or goes by it in other tools.
func suggestion(name string) string {
	names := make([]string, len(Columns))
	for i, c := range Columns {
		names[i] = c.Name
		if slices.Contains(c.aliases, name) {
			return fmt.Sprintf(" (did you mean %s?)", c.Name)
		}
	}
	if best := filter.Nearest(name, names); best != "" {
		return fmt.Sprintf(" (did you mean %s?)", best)
	}
	return ""
}
