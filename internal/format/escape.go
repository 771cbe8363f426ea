package format

import (
	"unicode"
	"unicode/utf8"
)

const hex = "0123456789abcdef"

// appendEscaped appends text such that it stays on one line and cannot steer a
// terminal: bytes that are not UTF-8 or not printable come as \n, \t or \xHH, a
// backslash as \\, and so does a space at the end, which a row could not show.
// What it yields can be turned back without doubt. Printable is what
// [unicode.IsPrint] says: not the marks that change the direction of text.
func appendEscaped(b, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '\\':
			b = append(b, '\\', '\\')
			i++
		case c == '\n':
			b = append(b, '\\', 'n')
			i++
		case c == '\t':
			b = append(b, '\\', 't')
			i++
		case c == ' ' && i == len(text)-1:
			b = appendHex(b, c)
			i++
		case c >= ' ' && c < 0x7f:
			b = append(b, c)
			i++
		case c < utf8.RuneSelf:
			b = appendHex(b, c)
			i++
		default:
			r, size := utf8.DecodeRune(text[i:])
			if (r == utf8.RuneError && size == 1) || !unicode.IsPrint(r) {
				for _, c := range text[i : i+size] {
					b = appendHex(b, c)
				}
			} else {
				b = append(b, text[i:i+size]...)
			}
			i += size
		}
	}
	return b
}

func appendHex(b []byte, c byte) []byte {
	return append(b, '\\', 'x', hex[c>>4], hex[c&15])
}
