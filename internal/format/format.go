// Package format writes events as rows: [Table] and [BCC] for people, [JSON] and
// [CSV] for programs.
//
// A file's name is any bytes but NUL. The table shows it in printable characters
// and escapes, such that a row is one line, a terminal is safe, and the bytes can
// be had back. JSON and CSV hold the same fields with the same values: the name
// itself where it is UTF-8; where it is not, U+FFFD stands for each bad byte, and a
// second field beside it, …_base64, has the exact bytes. JSON escapes everything
// that is not printable. CSV cannot, by RFC 4180: there a name with a line break
// is a quoted field with a line break in it, and [SplitCSV] finds the rows' ends.
package format

import (
	"bytes"
	"io"
	"time"

	"opensnoop/internal/event"
)

// Writer writes events as rows. It gathers them, and writes to what is behind it
// when its buffer is full or on Flush: whole rows with each Write. Once every
// user's name is known, it allocates nothing.
type Writer interface {
	// Header writes what comes before the first row, at once. It comes first.
	Header() error
	// Event adds a row. The event is not kept.
	Event(e *event.Event) error
	// Flush writes what was gathered. What an error leaves unwritten is dropped.
	Flush() error
}

// Options say what is in a row. The zero value is the default table's.
type Options struct {
	// Columns, in this order. None is those of [Usual]. JSON has the fields of all
	// that records with these columns hold, in an order of its own.
	Columns []*Column
	// Tree moves a table's comms to the right by how far their processes are below the one
	// that is followed. Records must hold event.Depth.
	Tree bool
	// NoHeader leaves out the header of a table or CSV.
	NoHeader bool
	// Cut has a table cut values that are wider than their column, but for the last one, as
	// suits a terminal.
	Cut bool
	// Chosen is whether Columns are what a user named: CSV then has one field for each, and a
	// table's TIME is as wide as it has to be.
	Chosen bool
	// Color dims a table's header and makes the errors of failed opens red.
	Color bool
	// Begin, if set, appends what each row of JSON begins with: fields, each with a comma.
	Begin func(b []byte) []byte
	// Short has JSON leave out what is null, the path where it is the name, and seconds where they
	// follow from the time of day.
	Short bool
	// Boot is when the clock of events was 0, by the clock that tells the time of day,
	// which may be set while rows are written. Times of day are shown in its location.
	// It may be nil if none are shown.
	Boot func() time.Time
}

func (o Options) columns() []*Column {
	if len(o.Columns) == 0 {
		return Usual()
	}
	return o.Columns
}

// Fields are what a record must hold for all columns.
func (o Options) Fields() event.Fields {
	var fields event.Fields
	for _, c := range o.columns() {
		fields |= c.Needs
	}
	return fields
}

// bufferSize is how many bytes of rows are gathered before they are written. The
// longest row, a name of PATH_MAX bytes all escaped, fits into half of it.
const bufferSize = 64 << 10

// rows is what all writers share: the rows not written yet, and what the values
// of a row depend on besides its event.
type rows struct {
	w       io.Writer
	buf     []byte
	boot    func() time.Time
	first   uint64 // time of the first row
	started bool   // there was one
	users   interface{ Name(uid uint32) string }
	scratch []byte // of one value
	second  second // of the row before
}

func newRows(w io.Writer, boot func() time.Time) rows {
	if boot == nil {
		boot = func() time.Time { return time.Time{} }
	}
	return rows{w: w, buf: make([]byte, 0, 2*bufferSize), boot: boot, users: NewUsers(), scratch: make([]byte, 0, bufferSize/8)}
}

// start notes the time of the first row.
func (r *rows) start(e *event.Event) {
	if !r.started {
		r.first, r.started = e.Time, true
	}
}

// end takes the buffer back with a row added to it.
func (r *rows) end(b []byte) error {
	r.buf = b
	if len(b) >= bufferSize {
		return r.Flush()
	}
	return nil
}

// Flush writes what was gathered. What an error leaves unwritten is dropped.
func (r *rows) Flush() error {
	if len(r.buf) == 0 {
		return nil
	}
	_, err := r.w.Write(r.buf)
	r.buf = r.buf[:0]
	return err
}

// SplitLines returns the length of the first row in what a Table, a BCC or a JSON
// writes, with its line break.
func SplitLines(rows []byte) int {
	return bytes.IndexByte(rows, '\n') + 1
}

// SplitCSV is SplitLines for a CSV, where line breaks in quotes end no row.
func SplitCSV(rows []byte) int {
	quoted := false
	for i, c := range rows {
		switch {
		case c == '"':
			quoted = !quoted
		case c == '\n' && !quoted:
			return i + 1
		}
	}
	return 0
}

// SGR sequences of a terminal (ECMA-48).
const (
	Dim   = "\x1b[2m"
	Red   = "\x1b[31m"
	Reset = "\x1b[0m"
)
