package format

import (
	"bytes"
	"io"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"

	"opensnoop/internal/event"
)

// Table is the Writer of the default output: a header, then a row for each event
// with the columns asked for, aligned as in bcc's tools, and no blanks at its end.
// What was not recorded shows as ?.
type Table struct {
	rows
	columns  []tableColumn
	color    bool
	cut      bool
	noHeader bool
}

// shown is a column in a table.
type shown struct {
	header string
	width  int // in characters
	right  bool
	value  value
}

// tableColumn is a column of a Table.
type tableColumn struct {
	shown
	err bool // it is red where an open failed
	cut bool // it may be cut
}

// timeWidth is how wide the column of seconds is where it need not be as in bcc's layout.
const timeWidth = 13

// treeWidth is how wide the column of comms is if they are indented.
const treeWidth = 24

// NewTable returns a table that writes to w.
func NewTable(w io.Writer, o Options) *Table {
	t := &Table{rows: newRows(w, o.Boot), color: o.Color, cut: o.Cut, noHeader: o.NoHeader}
	for _, c := range o.columns() {
		s := tableColumn{shown{c.header, c.width, c.right, c.shown()}, c.Name == "err", c.long}
		if o.Chosen && c.Name == "time" {
			s.width = timeWidth
		}
		if o.Tree && c.Name == "comm" {
			s.width, s.value = treeWidth, indented
		}
		t.columns = append(t.columns, s)
	}
	if last := &t.columns[len(t.columns)-1]; !last.right {
		last.width, last.cut = 0, false
	}
	return t
}

// Header writes the header at once.
func (t *Table) Header() error {
	if t.noHeader {
		return nil
	}
	b := t.buf
	if t.color {
		b = append(b, Dim...)
	}
	for i := range t.columns {
		c := &t.columns[i]
		if i > 0 {
			b = append(b, ' ')
		}
		start := len(b)
		b = append(b, c.header...)
		b = pad(b, start, c.width, c.right)
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
	red := t.color && failed(e)
	start := len(b)
	for i := range t.columns {
		c := &t.columns[i]
		if i > 0 {
			b = append(b, ' ')
		}
		if red && c.err {
			b = t.appendRed(b, c, e)
			continue
		}
		value := len(b)
		b = c.value(&t.rows, b, e)
		if t.cut && c.cut {
			b = cutTo(b, value, c.width)
		}
		b = pad(b, value, c.width, c.right)
	}
	// Only padding: no value ends in a blank.
	b = b[:start+len(bytes.TrimRight(b[start:], " "))]
	return t.end(append(b, '\n'))
}

// appendRed appends a column's value in red.
func (t *Table) appendRed(b []byte, c *tableColumn, e *event.Event) []byte {
	b = append(b, Red...)
	value := len(b)
	b = c.value(&t.rows, b, e)
	missing := c.width - columns(b[value:])
	return append(append(b, Reset...), blanks[:max(missing, 0)]...)
}

// cutTo cuts the value that starts at start to a width in characters, with a mark where it is cut.
func cutTo(b []byte, start, width int) []byte {
	if columns(b[start:]) <= width {
		return b
	}
	return append(Clip(b[:start], b[start:], width-1), "…"...)
}

// pad puts blanks behind the value that starts at start, or before it if it is to
// be aligned at its right, up to a width in characters.
func pad(b []byte, start, width int, right bool) []byte {
	if width == 0 {
		return b
	}
	n := width - columns(b[start:])
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

// columns is how many columns of a terminal text takes that is printable: wide characters
// take two, and marks on letters none.
func columns(text []byte) (n int) {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch {
		case r < 0x300: // the first mark
			n++
		case unicode.In(r, unicode.Mn, unicode.Me):
		default:
			n++
			if kind := width.LookupRune(r).Kind(); kind == width.EastAsianWide || kind == width.EastAsianFullwidth {
				n++
			}
		}
	}
	return n
}

// maxWidth is the most that a column may be wide, in characters.
const maxWidth = 40

// blanks are as many as the widest column has.
var blanks = bytes.Repeat([]byte{' '}, maxWidth)
