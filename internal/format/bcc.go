package format

import (
	"io"
	"strconv"
	"time"

	"opensnoop/internal/event"
)

// BCCOptions are the flags of bcc's opensnoop that change its output.
type BCCOptions struct {
	Time     bool // -T: microseconds since the first row, as seconds
	UID      bool // -U
	TID      bool // -t: the thread's id in place of the process's
	Extended bool // -e: the flags
	Color    bool // as in Options
}

// Fields are what a record must hold.
func (o BCCOptions) Fields() event.Fields {
	fields := event.Result
	if o.UID {
		fields |= event.UID
	}
	if o.Extended {
		fields |= event.Flags
	}
	return fields
}

// BCC is the Writer of the layout of bcc's opensnoop, by version 0.26. Its rows
// are the same but for what that tool does not show, or not on one line: a result
// that is not known is ?, a name is whole where bcc cuts it at 255 bytes, one that
// could not be read has the table's mark where bcc shows nothing, and bytes that
// are not printable come as the table's escapes. A backslash stays one, so that
// these cannot be turned back without doubt.
type BCC struct {
	rows
	o BCCOptions
}

// NewBCC returns a BCC that writes to w.
func NewBCC(w io.Writer, o BCCOptions) *BCC {
	return &BCC{rows: newRows(w, time.Time{}), o: o}
}

// Header writes the header at once.
func (c *BCC) Header() error {
	b := c.buf
	if c.o.Color {
		b = append(b, Dim...)
	}
	if c.o.Time {
		b = append(b, "TIME(s)       "...)
	}
	if c.o.UID {
		b = append(b, "UID   "...)
	}
	id := "PID"
	if c.o.TID {
		id = "TID"
	}
	b = append(b, id...)
	b = append(b, "    COMM               FD ERR "...)
	if c.o.Extended {
		b = append(b, "FLAGS    "...)
	}
	b = append(b, "PATH"...)
	if c.o.Color {
		b = append(b, Reset...)
	}
	c.buf = append(b, '\n')
	return c.Flush()
}

// Event adds a row.
func (c *BCC) Event(e *event.Event) error {
	c.start(e)
	b := c.buf
	color := c.o.Color && failed(e)
	if color {
		b = append(b, Red...)
	}
	if c.o.Time {
		start := len(b)
		b = appendSeconds(b, (e.Time/1000-c.first/1000)*1000)
		b = pad(b, start, 14, false)
	}
	if c.o.UID {
		start := len(b)
		b = layouts[UID].value(&c.rows, b, e)
		b = pad(b, start, 6, false)
	}
	id := e.TGID
	if c.o.TID {
		id = e.TID
	}
	start := len(b)
	b = appendUint(b, id)
	b = append(pad(b, start, 6, false), ' ')
	start = len(b)
	b = appendPrintable(b, e.Comm)
	for len(b)-start < 16 { // that tool counts bytes
		b = append(b, ' ')
	}
	b = append(b, ' ')
	start = len(b)
	b = layouts[FD].value(&c.rows, b, e)
	b = append(pad(b, start, 4, true), ' ')
	start = len(b)
	if resultKnown(e) {
		b = appendInt(b, errno(e.Result))
	} else {
		b = append(b, '?')
	}
	b = append(pad(b, start, 3, true), ' ')
	if c.o.Extended {
		b = append(appendOctal(b, e), ' ')
	}
	if e.NameKind == event.NameRead {
		b = appendPrintable(b, e.Name)
	} else {
		b = appendFile(b, e)
	}
	if color {
		b = append(b, Reset...)
	}
	return c.end(append(b, '\n'))
}

// appendOctal appends the flags as C's %08o does those of an int.
func appendOctal(b []byte, e *event.Event) []byte {
	if !e.Fields.Has(event.Flags) {
		return append(b, "       ?"...)
	}
	flags := int64(int32(e.Flags))
	width := 8
	if flags < 0 {
		b = append(b, '-')
		flags, width = -flags, width-1
	}
	for unit := int64(1) << (3 * (width - 1)); unit > max(flags, 1); unit >>= 3 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, flags, 8)
}
