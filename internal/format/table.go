// Package format writes events as rows.
package format

import (
	"io"
	"strconv"
	"unicode/utf8"

	"opensnoop/internal/event"
)

// Widths of the table's columns, in characters. A value that is wider pushes the
// rest of its row to the right.
const (
	timeWidth = 18
	commWidth = 16
	pidWidth  = 6
)

// bufferSize is how many bytes of rows a Table gathers before it writes.
const bufferSize = 64 << 10

// Table writes the default output: a header, then a row for each event with the
// seconds since the first, the comm, the process id and the name. It gathers rows
// and writes them when its buffer is full or on Flush. After the first rows it
// allocates nothing.
type Table struct {
	w     io.Writer
	buf   []byte
	first uint64 // time of the first row
	rows  bool   // there was one
}

// NewTable returns a table that writes to w.
func NewTable(w io.Writer) *Table {
	return &Table{w: w, buf: make([]byte, 0, 2*bufferSize)}
}

// Header writes the header at once.
func (t *Table) Header() error {
	t.buf = appendPadded(t.buf, "TIME(s)", timeWidth)
	t.buf = append(t.buf, ' ')
	t.buf = appendPadded(t.buf, "COMM", commWidth)
	t.buf = append(t.buf, ' ')
	t.buf = appendPadded(t.buf, "PID", pidWidth)
	t.buf = append(t.buf, " FILE\n"...)
	return t.Flush()
}

// Event adds a row.
func (t *Table) Event(e *event.Event) error {
	if !t.rows {
		t.first, t.rows = e.Time, true
	}
	b := t.buf
	start := len(b)
	b = appendSeconds(b, e.Time-t.first)
	b = pad(b, len(b)-start, timeWidth)
	b = append(b, ' ')

	start = len(b)
	b = appendEscaped(b, e.Comm)
	b = pad(b, utf8.RuneCount(b[start:]), commWidth)
	b = append(b, ' ')

	start = len(b)
	b = strconv.AppendUint(b, uint64(e.TGID), 10)
	if e.NameKind != event.NameRead || len(e.Name) > 0 { // no trailing blanks
		b = pad(b, len(b)-start, pidWidth)
		b = append(b, ' ')
	}
	b = appendName(b, e)
	b = append(b, '\n')
	t.buf = b
	if len(b) >= bufferSize {
		return t.Flush()
	}
	return nil
}

// Flush writes what was gathered. What an error leaves unwritten is dropped.
func (t *Table) Flush() error {
	if len(t.buf) == 0 {
		return nil
	}
	_, err := t.w.Write(t.buf)
	t.buf = t.buf[:0]
	return err
}

// appendName appends the name, or a mark in its place. A mark begins with a
// backslash and a parenthesis, which no escaped name does.
func appendName(b []byte, e *event.Event) []byte {
	switch e.NameKind {
	case event.NameRead:
		return appendEscaped(b, e.Name)
	case event.NameBad:
		b = append(b, `\(bad address 0x`...)
	default:
		b = append(b, `\(unread name at 0x`...)
	}
	b = strconv.AppendUint(b, e.Address, 16)
	return append(b, ')')
}

// appendSeconds appends a time in ns as seconds with nine digits behind the dot.
func appendSeconds(b []byte, ns uint64) []byte {
	b = strconv.AppendUint(b, ns/1e9, 10)
	b = append(b, '.')
	fraction := ns % 1e9
	for unit := uint64(1e8); unit > 0; unit /= 10 {
		b = append(b, '0'+byte(fraction/unit%10))
	}
	return b
}

func appendPadded(b []byte, text string, width int) []byte {
	return pad(append(b, text...), utf8.RuneCountInString(text), width)
}

// pad appends blanks after a text of n characters up to width.
func pad(b []byte, n, width int) []byte {
	for ; n < width; n++ {
		b = append(b, ' ')
	}
	return b
}
