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
// [unicode.IsPrint] says, which are not the marks that change the direction of text, less
// what shows as nothing, so that no two names look the same for that.
func AppendEscaped(b, text []byte) []byte {
	text, space := bytes.CutSuffix(text, []byte(" "))
	for at := 0; at < len(text); {
		rest := text[at:]
		size, printable := characters(text, at)
		switch {
		case rest[0] == '\\':
			b = append(b, '\\', '\\')
		case printable:
			b = append(b, rest[:size]...)
		default:
			b = appendEscape(b, rest[:size])
		}
		at += size
	}
	if space {
		b = appendEscape(b, []byte(" "))
	}
	return b
}

// AppendPrintable is [AppendEscaped] less the escapes that only turning back needs:
// for messages, and rows that need not be exact.
func AppendPrintable(b, text []byte) []byte {
	for at := 0; at < len(text); {
		size, printable := characters(text, at)
		if printable {
			b = append(b, text[at:at+size]...)
		} else {
			b = appendEscape(b, text[at:at+size])
		}
		at += size
	}
	return b
}

// characters returns the size in bytes of what comes at a place, and whether it is
// printable: a run of printable ASCII characters, or one character of those that
// have an escape in some format. A byte that is not UTF-8 is one of these.
func characters(text []byte, at int) (size int, printable bool) {
	before, text := text[:at], text[at:]
	for size < len(text) && text[size] >= ' ' && text[size] < 0x7f && text[size] != '"' && text[size] != '\\' {
		size++
	}
	if size > 0 {
		return size, true
	}
	r, size := utf8.DecodeRune(text)
	return size, unicode.IsPrint(r) && (r != utf8.RuneError || size > 1) && !invisible(r, before)
}

// invisible reports whether a printable character shows as nothing behind these.
func invisible(r rune, before []byte) bool {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return !onLetter(before) || unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
	}
	// U+2800 is the Braille pattern of no dots.
	return r == 0x2800 || unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// marksMax is how many marks a letter may carry.
const marksMax = 3

// onLetter reports whether a mark behind these characters has a letter to stand on.
func onLetter(before []byte) bool {
	for range marksMax {
		r, size := utf8.DecodeLastRune(before)
		if !unicode.In(r, unicode.Mn, unicode.Me) {
			return (unicode.IsLetter(r) || unicode.IsNumber(r)) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
		}
		before = before[:len(before)-size]
	}
	return false
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
	for at := 0; at < len(text); {
		rest := text[at:]
		size, printable := characters(text, at)
		switch c := rest[0]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case printable:
			b = append(b, rest[:size]...)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\t':
			b = append(b, '\\', 't')
		default:
			r, _ := utf8.DecodeRune(rest)
			if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
				b = appendUnicode(b, high)
				r = low
			}
			b = appendUnicode(b, r)
		}
		at += size
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
