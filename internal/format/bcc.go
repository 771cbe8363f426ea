package format

import (
	"io"
	"strconv"

	"opensnoop/internal/event"
)

// BCCOptions are the flags of bcc's opensnoop that change its output.
type BCCOptions struct {
	Time     bool // -T: microseconds since the first row, as seconds
	UID      bool // -U
	TID      bool // -t: the thread's id in place of the process's
	Extended bool // -e: the flags
	FullPath bool // -F: the absolute path in PATH
	Color    bool // as in Options
}

// Fields are what a record must hold.
func (o BCCOptions) Fields() event.Fields {
	fields := event.Result
	if o.FullPath {
		fields |= event.Path
	}
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
	columns []bccColumn
	color   bool
}

// bccColumn is a column as that tool shows it.
type bccColumn struct {
	shown
	joined bool // no blank comes behind it
}

// NewBCC returns a BCC that writes to w.
func NewBCC(w io.Writer, o BCCOptions) *BCC {
	return &BCC{rows: newRows(w, nil), columns: o.columns(), color: o.Color}
}

func (o BCCOptions) columns() []bccColumn {
	var columns []bccColumn
	if o.Time {
		columns = append(columns, bccColumn{shown{"TIME(s)", 14, false, appendMicroseconds}, true})
	}
	if o.UID {
		columns = append(columns, bccColumn{shown{"UID", 6, false, Find("uid").shown()}, true})
	}
	id := shown{"PID", 6, false, appendPID}
	if o.TID {
		id.header, id.value = "TID", appendTID
	}
	columns = append(columns,
		bccColumn{shown: id},
		bccColumn{shown: shown{"COMM            ", 0, false, appendBCCComm}},
		bccColumn{shown: shown{"FD", 4, true, Find("fd").shown()}},
		bccColumn{shown: shown{"ERR", 3, true, appendBCCErrno}})
	if o.Extended {
		columns = append(columns, bccColumn{shown: shown{"FLAGS", 8, false, appendOctalFlags}})
	}
	file := appendBCCFile
	if o.FullPath {
		file = appendBCCPath
	}
	return append(columns, bccColumn{shown{"PATH", 0, false, file}, true})
}

// Header writes the header at once.
func (c *BCC) Header() error {
	b := c.buf
	if c.color {
		b = append(b, Dim...)
	}
	for i := range c.columns {
		start := len(b)
		b = c.columns[i].end(append(b, c.columns[i].header...), start)
	}
	if c.color {
		b = append(b, Reset...)
	}
	c.buf = append(b, '\n')
	return c.Flush()
}

// Event adds a row.
func (c *BCC) Event(e *event.Event) error {
	c.start(e)
	b := c.buf
	color := c.color && failed(e)
	if color {
		b = append(b, Red...)
	}
	for i := range c.columns {
		start := len(b)
		b = c.columns[i].end(c.columns[i].value(&c.rows, b, e), start)
	}
	if color {
		b = append(b, Reset...)
	}
	return c.end(append(b, '\n'))
}

// end appends what comes behind a value that starts at start.
func (c *bccColumn) end(b []byte, start int) []byte {
	b = pad(b, start, c.width, c.right)
	if c.joined {
		return b
	}
	return append(b, ' ')
}

// appendMicroseconds appends the seconds since the first row, in steps of 1 µs.
func appendMicroseconds(r *rows, b []byte, e *event.Event) []byte {
	return appendSeconds(b, (e.Time/1000-r.first/1000)*1000)
}

// appendBCCComm appends the comm with blanks up to 16 bytes, which that tool counts.
func appendBCCComm(_ *rows, b []byte, e *event.Event) []byte {
	start := len(b)
	b = AppendPrintable(b, e.Comm)
	for len(b)-start < 16 {
		b = append(b, ' ')
	}
	return b
}

func appendBCCErrno(r *rows, b []byte, e *event.Event) []byte {
	if !resultKnown(e) {
		return append(b, '?')
	}
	return appendErrno(r, b, e)
}

// appendOctalFlags appends the flags as C's %08o does those of an int.
func appendOctalFlags(_ *rows, b []byte, e *event.Event) []byte {
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

func appendBCCPath(r *rows, b []byte, e *event.Event) []byte {
	if e.Path.Problem == event.PathExact {
		return AppendPrintable(b, e.Path.Known)
	}
	return appendPathText(r, b, e)
}

func appendBCCFile(r *rows, b []byte, e *event.Event) []byte {
	if e.NameKind == event.NameRead {
		return AppendPrintable(b, e.Name)
	}
	return appendFile(r, b, e)
}
