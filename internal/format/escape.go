package format

import (
	"bytes"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const hex = "0123456789abcdef"

// AppendEscaped appends text such that it stays on one line and cannot steer a
// terminal: bytes that are not UTF-8 or not printable come as \n, \t or \xHH, a
// backslash as \\, and so does a space at the end, which a row could not show.
// What it yields can be turned back without doubt. Printable is what
// [unicode.IsPrint] says: not the marks that change the direction of text.
func AppendEscaped(b, text []byte) []byte {
	rest, space := bytes.CutSuffix(text, []byte(" "))
	for len(rest) > 0 {
		size, printable := characters(rest)
		switch {
		case rest[0] == '\\':
			b = append(b, '\\', '\\')
		case printable:
			b = append(b, rest[:size]...)
		default:
			b = appendEscape(b, rest[:size])
		}
		rest = rest[size:]
	}
	if space {
		b = appendEscape(b, []byte(" "))
	}
	return b
}

// AppendPrintable is [AppendEscaped] less the escapes that only turning back needs:
// for messages, and rows that need not be exact.
func AppendPrintable(b, text []byte) []byte {
	for len(text) > 0 {
		size, printable := characters(text)
		if printable {
			b = append(b, text[:size]...)
		} else {
			b = appendEscape(b, text[:size])
		}
		text = text[size:]
	}
	return b
}

// characters returns the size in bytes of what comes first, and whether it is
// printable: a run of printable ASCII characters, or one character of those that
// have an escape in some format. A byte that is not UTF-8 is one of these.
func characters(text []byte) (size int, printable bool) {
	for size < len(text) && text[size] >= ' ' && text[size] < 0x7f && text[size] != '"' && text[size] != '\\' {
		size++
	}
	if size > 0 {
		return size, true
	}
	r, size := utf8.DecodeRune(text)
	return size, unicode.IsPrint(r) && (r != utf8.RuneError || size > 1)
}

func appendEscape(b, text []byte) []byte {
	for _, c := range text {
		switch c {
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		}
	}
	return b
}

// AppendJSON appends text as a JSON string, in printable characters only. U+FFFD
// stands for each byte that is not UTF-8.
func AppendJSON(b, text []byte) []byte {
	b = append(b, '"')
	for len(text) > 0 {
		size, printable := characters(text)
		switch c := text[0]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case printable:
			b = append(b, text[:size]...)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\t':
			b = append(b, '\\', 't')
		default:
			r, _ := utf8.DecodeRune(text)
			if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
				b = appendUnicode(b, high)
				r = low
			}
			b = appendUnicode(b, r)
		}
		text = text[size:]
	}
	return append(b, '"')
}

func appendUnicode(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// appendValid appends text with U+FFFD in place of each byte that is not UTF-8.
func appendValid(b, text []byte) []byte {
	if utf8.Valid(text) {
		return append(b, text...)
	}
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		b = utf8.AppendRune(b, r)
		text = text[size:]
	}
	return b
}
