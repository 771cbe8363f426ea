package format

import (
	"bytes"
	"io"
	"slices"
	"time"

	"opensnoop/internal/event"
)

// JSON is the Writer of JSON Lines: an object for each event, on a line. It has
// what every record has (time, seconds, pid, tid, comm, file) and what the records
// hold for the columns asked for.
type JSON struct {
	rows
	fields []field
	begin  func(b []byte) []byte // appends the first fields; may be nil
	short  bool                  // leave out what is null or derived
	zero   time.Time             // when the clock of the row before was 0
}

// NewJSON returns a JSON that writes to w.
func NewJSON(w io.Writer, o Options) *JSON {
	held := o.Fields()
	var first, then []*Column
	for _, c := range Columns {
		switch {
		case !held.Has(c.Needs) || c.onAsking && !slices.Contains(o.Columns, c):
		case c.leads:
			first = append(first, c)
		default:
			then = append(then, c)
		}
	}
	return &JSON{rows: newRows(w, o.Boot), begin: o.Begin, short: o.Short, fields: fieldsOf(append(first, then...))}
}

// Header writes nothing: every field comes with its name. The next row has all of them.
func (j *JSON) Header() error {
	j.zero = time.Time{}
	return nil
}

// Event adds a row.
func (j *JSON) Event(e *event.Event) error {
	j.start(e)
	b := append(j.buf, '{')
	if j.begin != nil {
		b = j.begin(b)
	}
	steady := j.steady()
	for i := range j.fields {
		f := &j.fields[i]
		known := f.known(e)
		if !known && (f.optional || j.short) || f.derived && steady || j.short && f.same != nil && f.same(e) {
			continue
		}
		if b[len(b)-1] != '{' && b[len(b)-1] != ',' {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, f.name...)
		b = append(b, `":`...)
		switch {
		case !known:
			b = append(b, "null"...)
		case f.object != nil:
			b = f.object(&j.rows, b, e)
		case f.kind == number:
			b = f.value(&j.rows, b, e)
		case f.kind == list:
			b = appendList(b, f.value(&j.rows, j.scratch[:0], e))
		default:
			b = AppendJSON(b, f.value(&j.rows, j.scratch[:0], e))
		}
	}
	return j.end(append(b, "}\n"...))
}

// steady reports whether fields that are derived may be left out: the clock that tells the time of
// day was not set since the row before.
func (j *JSON) steady() bool {
	if !j.short {
		return false
	}
	before := j.zero
	j.zero = j.boot()
	return j.zero.Equal(before)
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
