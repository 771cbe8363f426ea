package format

import (
	"bytes"
	"io"
	"slices"

	"opensnoop/internal/event"
)

// CSV is the Writer of comma-separated values by RFC 4180: a header, then a row
// for each event, all ended by CR LF. In the order of the columns asked for, it
// has the fields of each by JSON's names and with JSON's values: time is seconds,
// wall is time, err is errno and error, flags is flags and flag_names, comm and
// file have their …_base64 beside them. What is null in JSON, or left out, is an
// empty field.
type CSV struct {
	rows
	fields   []field
	noHeader bool
}

// NewCSV returns a CSV that writes to w.
func NewCSV(w io.Writer, o Options) *CSV {
	c := &CSV{rows: newRows(w, o.Boot), fields: fieldsOf(o.columns()), noHeader: o.NoHeader}
	if o.Chosen {
		c.fields = nil
		for _, column := range o.columns() {
			c.fields = append(c.fields, column.csvField())
		}
	}
	return c
}

// csvField is the field that stands for a column.
func (c *Column) csvField() field {
	fields := fieldsOf([]*Column{c})
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == c.csv })
	return fields[max(i, 0)]
}

// Header writes the header at once.
func (c *CSV) Header() error {
	if c.noHeader {
		return nil
	}
	for i, f := range c.fields {
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.buf = append(c.buf, f.name...)
	}
	c.buf = append(c.buf, "\r\n"...)
	return c.Flush()
}

// Event adds a row.
func (c *CSV) Event(e *event.Event) error {
	c.start(e)
	b := c.buf
	start := len(b)
	for i := range c.fields {
		if i > 0 {
			b = append(b, ',')
		}
		f := &c.fields[i]
		switch {
		case !f.known(e):
		case f.kind == number:
			b = f.value(&c.rows, b, e)
		default:
			b = appendCSV(b, f.value(&c.rows, c.scratch[:0], e))
		}
	}
	if len(b) == start { // readers skip an empty line
		b = append(b, `""`...)
	}
	return c.end(append(b, "\r\n"...))
}

// appendCSV appends a field, in quotes if it has what ends one, or blanks at an end,
// which some readers trim. U+FFFD stands for each byte that is not UTF-8.
func appendCSV(b, value []byte) []byte {
	if !bytes.ContainsAny(value, ",\"\r\n") && len(bytes.Trim(value, " \t")) == len(value) {
		return appendValid(b, value)
	}
	b = append(b, '"')
	for {
		part, rest, more := bytes.Cut(value, []byte(`"`))
		b = appendValid(b, part)
		if !more {
			return append(b, '"')
		}
		b = append(b, `""`...)
		value = rest
	}
}
