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
	begin  func(b []byte) []byte // appends the first fields; may be nil
	short  bool                  // leave out what is null or derived
	steady bool                  // derived fields may be left out of this row
	zero   time.Time             // when the clock of the row before was 0

	pieces []piece
	origin []byte // of the row before
	next   []byte
}

// piece are fields, one behind the other.
type piece struct {
	fields []field
	origin bool   // they follow from the origin of the event, and most rows are of that before
	text   []byte // then those of the row before
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
	return &JSON{rows: newRows(w, o.Boot), begin: o.Begin, short: o.Short, pieces: piecesOf(fieldsOf(append(first, then...)))}
}

// piecesOf splits fields by whether they follow from the origin.
func piecesOf(fields []field) (pieces []piece) {
	for i, f := range fields {
		if n := len(pieces); n > 0 && pieces[n-1].origin == f.origin {
			pieces[n-1].fields = fields[i-len(pieces[n-1].fields) : i+1]
			continue
		}
		pieces = append(pieces, piece{origin: f.origin, fields: fields[i : i+1]})
	}
	return pieces
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
	j.steady = j.isSteady()
	j.next = e.AppendOrigin(j.next[:0])
	same := bytes.Equal(j.next, j.origin)
	j.origin, j.next = j.next, j.origin
	for i := range j.pieces {
		p := &j.pieces[i]
		if !p.origin {
			b = j.append(b, p.fields, e)
			continue
		}
		if !same {
			p.text = j.append(p.text[:0], p.fields, e)
		}
		if len(p.text) > 0 {
			b = append(separated(b), p.text...)
		}
	}
	return j.end(append(b, "}\n"...))
}

// separated appends a comma where a field needs one before it.
func separated(b []byte) []byte {
	if n := len(b); n == 0 || b[n-1] == '{' || b[n-1] == ',' {
		return b
	}
	return append(b, ',')
}

// append appends fields.
func (j *JSON) append(b []byte, fields []field, e *event.Event) []byte {
	for i := range fields {
		f := &fields[i]
		known := f.known(e)
		if !known && (f.optional || j.short) || f.derived && j.steady || j.short && f.same != nil && f.same(e) {
			continue
		}
		b = append(separated(b), '"')
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
	return b
}

// isSteady reports whether fields that are derived may be left out: the clock that tells the time of
// day was not set since the row before.
func (j *JSON) isSteady() bool {
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
