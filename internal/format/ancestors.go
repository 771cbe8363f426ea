package format

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"

	"opensnoop/internal/event"
)

// ancestorsKnown reports whether it is known what a process descends from.
func ancestorsKnown(e *event.Event) bool {
	return e.Fields.Has(event.Ancestry) && e.Ancestors.Len() > 0
}

// appendAncestors appends the names of processes, the topmost first.
func appendAncestors(_ *rows, b []byte, e *event.Event) []byte {
	if e.Ancestors.Cut {
		b = append(b, "…>"...)
	}
	for i := e.Ancestors.Len() - 1; i >= 0; i-- {
		_, comm := e.Ancestors.At(i)
		start := len(b)
		b = AppendEscaped(b, comm)
		b = escapeSeparator(b, start)
		if i > 0 {
			b = append(b, '>')
		}
	}
	return b
}

// escapeSeparator escapes what stands between names where it is in the one that begins at start.
func escapeSeparator(b []byte, start int) []byte {
	const escaped = `\x3e`
	for i := start; i < len(b); i++ {
		if b[i] == '>' {
			b = append(b, escaped...)
			copy(b[i+len(escaped):], b[i+1:])
			copy(b[i:], escaped)
			b = b[:len(b)-1]
		}
	}
	return b
}

// appendAncestorsArray appends them as an array of JSON.
func appendAncestorsArray(_ *rows, b []byte, e *event.Event) []byte {
	b = append(b, '[')
	for i := e.Ancestors.Len() - 1; i >= 0; i-- {
		tgid, comm := e.Ancestors.At(i)
		b = strconv.AppendUint(append(b, `{"pid":`...), uint64(tgid), 10)
		b = AppendJSON(append(b, `,"comm":`...), comm)
		if !utf8.Valid(comm) {
			b = append(b, `,"comm_base64":"`...)
			b = append(base64.StdEncoding.AppendEncode(b, comm), '"')
		}
		b = append(b, '}')
		if i > 0 {
			b = append(b, ',')
		}
	}
	return append(b, ']')
}

var ancestorsFields = []field{
	{name: "ancestors", value: appendAncestors, object: appendAncestorsArray},
	{name: "ancestors_cut", kind: number, optional: true, known: func(e *event.Event) bool {
		return ancestorsKnown(e) && e.Ancestors.Cut
	}, value: appendTrue},
}
