package format

import (
	"unicode/utf8"
)

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
