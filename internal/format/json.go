package format

import (
	"bytes"
	"io"
	"slices"

	"opensnoop/internal/event"
)

// JSON is the Writer of JSON Lines: an object for each event, on a line. It has
// what every record has (time, seconds, pid, tid, comm, file) and what the records
// hold for the columns asked for.
type JSON struct {
	rows
	fields []field
}

// NewJSON returns a JSON that writes to w.
func NewJSON(w io.Writer, o Options) *JSON {
	j := &JSON{rows: newRows(w, o.Boot)}
	held := o.Fields()
	for _, f := range fields {
		// A user's name is in no record: it takes a look-up.
		if held.Has(f.column.Fields()) && (f.column != User || slices.Contains(o.Columns, User)) {
			j.fields = append(j.fields, f)
		}
	}
	return j
}

// Header writes nothing: every field comes with its name.
func (j *JSON) Header() error { return nil }

// Event adds a row.
func (j *JSON) Event(e *event.Event) error {
	j.start(e)
	b := append(j.buf, '{')
	for i := range j.fields {
		f := &j.fields[i]
		value, ok := f.value(&j.rows, e)
		if !ok && f.optional {
			continue
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, f.name...)
		b = append(b, `":`...)
		switch {
		case !ok:
			b = append(b, "null"...)
		case f.kind == number:
			b = append(b, value...)
		case f.kind == list:
			b = appendList(b, value)
		default:
			b = AppendJSON(b, value)
		}
	}
	return j.end(append(b, "}\n"...))
}

// appendList appends the parts of a value between the | as an array.
func appendList(b, value []byte) []byte {
	b = append(b, '[')
	for {
		part, rest, more := bytes.Cut(value, []byte("|"))
		b = AppendJSON(b, part)
		if !more {
			return append(b, ']')
		}
		b = append(b, ',')
		value = rest
	}
}
