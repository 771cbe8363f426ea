package format

import (
	"bytes"
	"io"
	"unicode/utf8"

	"opensnoop/internal/event"
)

// Table is the Writer of the default output: a header, then a row for each event
// with the columns asked for, aligned as in bcc's tools, and no blanks at its end.
// What was not recorded shows as ?.
type Table struct {
	rows
	columns []*Column
	widths  []int
	color   bool
}

// NewTable returns a table that writes to w.
func NewTable(w io.Writer, o Options) *Table {
	t := &Table{rows: newRows(w, o.Boot), columns: o.columns(), color: o.Color}
	for i, c := range t.columns {
		width := c.width
		if i == len(t.columns)-1 && !c.right {
			width = 0
		}
		t.widths = append(t.widths, width)
	}
	return t
}

// Header writes the header at once.
func (t *Table) Header() error {
	b := t.buf
	if t.color {
		b = append(b, Dim...)
	}
	for i, c := range t.columns {
		if i > 0 {
			b = append(b, ' ')
		}
		start := len(b)
		b = append(b, c.header...)
		b = pad(b, start, t.widths[i], c.right)
	}
	if t.color {
		b = append(b, Reset...)
	}
	t.buf = append(b, '\n')
	return t.Flush()
}

// Event adds a row.
func (t *Table) Event(e *event.Event) error {
	t.start(e)
	b := t.buf
	color := t.color && failed(e)
	if color {
		b = append(b, Red...)
	}
	start := len(b)
	for i, c := range t.columns {
		if i > 0 {
			b = append(b, ' ')
		}
		value := len(b)
		b = c.append(&t.rows, b, e)
		b = pad(b, value, t.widths[i], c.right)
	}
	// Only padding: no value ends in a blank.
	b = b[:start+len(bytes.TrimRight(b[start:], " "))]
	if color {
		b = append(b, Reset...)
	}
	return t.end(append(b, '\n'))
}

// pad puts blanks behind the value that starts at start, or before it if it is to
// be aligned at its right, up to a width in characters.
func pad(b []byte, start, width int, right bool) []byte {
	n := width - utf8.RuneCount(b[start:])
	if n <= 0 {
		return b
	}
	end := len(b)
	b = append(b, blanks[:n]...)
	if right {
		copy(b[start+n:], b[start:end])
		copy(b[start:], blanks[:n])
	}
	return b
}

// maxWidth is the most that a column may be wide, in characters.
const maxWidth = 40

// blanks are as many as the widest column has.
var blanks = bytes.Repeat([]byte{' '}, maxWidth)
