package format

import (
	"bytes"
	"io"
	"unicode/utf8"

	"opensnoop/internal/event"
)

// layout is how a table shows a column.
type layout struct {
	header string
	width  int  // in characters; a wider value pushes the rest of its row right
	right  bool // aligned at its right
	value  func(r *rows, b []byte, e *event.Event) []byte
}

// layouts are aligned as in bcc's tools. What was not recorded shows as ?.
var layouts = map[Column]layout{
	Time: {header: "TIME(s)", width: 18, value: func(r *rows, b []byte, e *event.Event) []byte {
		return appendSeconds(b, e.Time-r.first)
	}},
	Wall: {header: "TIME", width: 15, value: func(r *rows, b []byte, e *event.Event) []byte {
		return r.at(e).AppendFormat(b, "15:04:05.000000")
	}},
	PID: {header: "PID", width: 6, value: func(_ *rows, b []byte, e *event.Event) []byte {
		return appendUint(b, e.TGID)
	}},
	TID: {header: "TID", width: 6, value: func(_ *rows, b []byte, e *event.Event) []byte {
		return appendUint(b, e.TID)
	}},
	PPID: {header: "PPID", width: 6, value: func(_ *rows, b []byte, e *event.Event) []byte {
		if !e.Fields.Has(event.PPID) {
			return append(b, '?')
		}
		return appendUint(b, e.PPID)
	}},
	UID: {header: "UID", width: 6, value: func(_ *rows, b []byte, e *event.Event) []byte {
		if !e.Fields.Has(event.UID) {
			return append(b, '?')
		}
		return appendUint(b, e.UID)
	}},
	User: {header: "USER", width: 8, value: func(r *rows, b []byte, e *event.Event) []byte {
		if !e.Fields.Has(event.UID) {
			return append(b, '?')
		}
		if name := r.users.Name(e.UID); name != "" {
			r.scratch = append(r.scratch[:0], name...)
			return AppendEscaped(b, r.scratch)
		}
		return appendUint(b, e.UID)
	}},
	FD: {header: "FD", width: 4, right: true, value: func(_ *rows, b []byte, e *event.Event) []byte {
		if !resultKnown(e) {
			return append(b, '?')
		}
		return appendInt(b, descriptor(e.Result))
	}},
	Err: {header: "ERR", width: 7, value: func(_ *rows, b []byte, e *event.Event) []byte {
		if !resultKnown(e) {
			return append(b, '?')
		}
		return appendError(b, errno(e.Result))
	}},
	Flags: {header: "FLAGS", width: 18, value: func(_ *rows, b []byte, e *event.Event) []byte {
		if !e.Fields.Has(event.Flags) {
			return append(b, '?')
		}
		return event.AppendFlags(b, e.Flags)
	}},
	Mode: {header: "MODE", width: 4, value: func(_ *rows, b []byte, e *event.Event) []byte {
		switch {
		case !e.Fields.Has(event.Flags):
			return append(b, '?')
		case !event.HeedsMode(e.Flags):
			return append(b, '-')
		}
		return appendMode(b, e.Mode)
	}},
	Comm: {header: "COMM", width: 16, value: func(_ *rows, b []byte, e *event.Event) []byte {
		return AppendEscaped(b, e.Comm)
	}},
	File: {header: "FILE", value: func(_ *rows, b []byte, e *event.Event) []byte {
		return appendFile(b, e)
	}},
}

// fileWidth is the file column's where others follow it. The names' lengths differ
// too much for one that suits all.
const fileWidth = 40

// Table is the Writer of the default output: a header, then a row for each event
// with the columns asked for, and no blanks at its end.
type Table struct {
	rows
	layouts []layout
	color   bool
}

// NewTable returns a table that writes to w.
func NewTable(w io.Writer, o Options) *Table {
	t := &Table{rows: newRows(w, o.Boot), color: o.Color}
	columns := o.columns()
	for i, c := range columns {
		l := layouts[c]
		switch {
		case i == len(columns)-1 && !l.right:
			l.width = 0
		case c == File:
			l.width = fileWidth
		}
		t.layouts = append(t.layouts, l)
	}
	return t
}

// Header writes the header at once.
func (t *Table) Header() error {
	b := t.buf
	if t.color {
		b = append(b, Dim...)
	}
	for i := range t.layouts {
		if i > 0 {
			b = append(b, ' ')
		}
		start := len(b)
		b = append(b, t.layouts[i].header...)
		b = pad(b, start, t.layouts[i].width, t.layouts[i].right)
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
	for i := range t.layouts {
		if i > 0 {
			b = append(b, ' ')
		}
		value := len(b)
		b = t.layouts[i].value(&t.rows, b, e)
		b = pad(b, value, t.layouts[i].width, t.layouts[i].right)
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

// blanks are as many as the widest column has.
var blanks = bytes.Repeat([]byte{' '}, fileWidth)

// appendFile appends the name, or a mark in its place. A mark begins with a
// backslash and a parenthesis, which no escaped name does.
func appendFile(b []byte, e *event.Event) []byte {
	switch e.NameKind {
	case event.NameRead:
		return AppendEscaped(b, e.Name)
	case event.NameBad:
		b = append(b, `\(bad address `...)
	default:
		b = append(b, `\(unread name at `...)
	}
	return append(appendAddress(b, e.Address), ')')
}
