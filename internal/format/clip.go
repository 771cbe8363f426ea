package format

import "unicode/utf8"

// Clip appends as much of a line of printable text as has room in a terminal's line of that
// many columns. Colours in it stay whole.
func Clip(b, line []byte, width int) []byte {
	for len(line) > 0 {
		if line[0] == '\x1b' {
			end := 1
			for end < len(line) && line[end] != 'm' {
				end++
			}
			end = min(end+1, len(line))
			b, line = append(b, line[:end]...), line[end:]
			continue
		}
		_, size := utf8.DecodeRune(line)
		width -= columns(line[:size])
		if width >= 0 {
			b = append(b, line[:size]...)
		}
		line = line[size:]
	}
	return b
}

// Width is how many columns a printable text without colours takes.
func Width(text []byte) int { return columns(text) }

// Cut returns as much of a printable text without colours as has room in so many columns: its
// start, with a mark where it is cut.
func Cut(text []byte, width int) []byte { return cutTo(text[:len(text):len(text)], 0, width) }

// CutStart is Cut for the end of a text.
func CutStart(text []byte, width int) []byte {
	left := columns(text)
	if left <= width {
		return text
	}
	for left >= width && len(text) > 0 {
		_, size := utf8.DecodeRune(text)
		left -= columns(text[:size])
		text = text[size:]
	}
	return append([]byte("…"), text...)
}

// AppendPadded appends a printable text without colours, and blanks up to so many columns.
func AppendPadded(b, text []byte, width int) []byte {
	b = append(b, text...)
	for range width - columns(text) {
		b = append(b, ' ')
	}
	return b
}
