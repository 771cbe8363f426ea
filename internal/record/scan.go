package record

import (
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// errSyntax is that a line is no JSON object as this package and format write them.
var errSyntax = errors.New("not a line of a recording")

// scanner reads one line of JSON. Text that has to be unescaped is put into buf, which the
// values returned point into.
type scanner struct {
	line []byte
	at   int
	buf  []byte
}

// object calls member with each name of an object; member has to read the value.
func (s *scanner) object(member func(name []byte) error) error {
	if !s.take('{') {
		return errSyntax
	}
	if s.take('}') {
		return nil
	}
	for {
		name, err := s.text()
		if err != nil || !s.take(':') {
			return errSyntax
		}
		if err := member(name); err != nil {
			return err
		}
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return errSyntax
		}
	}
}

// array calls element for each element of an array; element has to read it.
func (s *scanner) array(element func() error) error {
	if !s.take('[') {
		return errSyntax
	}
	if s.take(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return errSyntax
		}
	}
}

// peek returns the next byte behind white space; 0 at the end.
func (s *scanner) peek() byte {
	for s.at < len(s.line) {
		switch c := s.line[s.at]; c {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// take reads a byte if it is the next one.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// null reads null if that is the next value.
func (s *scanner) null() bool { return s.word("null") }

func (s *scanner) word(word string) bool {
	s.peek()
	if end := s.at + len(word); end <= len(s.line) && string(s.line[s.at:end]) == word {
		s.at = end
		return true
	}
	return false
}

// boolean reads true or false.
func (s *scanner) boolean() (bool, error) {
	switch {
	case s.word("true"):
		return true, nil
	case s.word("false"):
		return false, nil
	}
	return false, errSyntax
}

// number reads a number, as it is written.
func (s *scanner) number() ([]byte, error) {
	s.peek()
	start := s.at
	for s.at < len(s.line) {
		c := s.line[s.at]
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			break
		}
		s.at++
	}
	if s.at == start {
		return nil, errSyntax
	}
	return s.line[start:s.at], nil
}

// unsigned reads a whole number that is not negative.
func (s *scanner) unsigned(bits int) (uint64, error) {
	digits, err := s.number()
	if err != nil {
		return 0, err
	}
	return parseUnsigned(digits, bits)
}

func parseUnsigned(digits []byte, bits int) (n uint64, err error) {
	if len(digits) == 0 || len(digits) > 19 {
		return strconv.ParseUint(string(digits), 10, bits)
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, errSyntax
		}
		n = n*10 + uint64(c-'0')
	}
	if bits < 64 && n>>bits != 0 {
		return 0, errSyntax
	}
	return n, nil
}

// signed reads a whole number.
func (s *scanner) signed() (int64, error) {
	digits, err := s.number()
	if err != nil {
		return 0, err
	}
	if digits[0] != '-' {
		n, err := parseUnsigned(digits, 63)
		return int64(n), err
	}
	n, err := parseUnsigned(digits[1:], 63)
	return -int64(n), err
}

// text reads a string. What it returns is valid until buf is used anew.
func (s *scanner) text() ([]byte, error) {
	if !s.take('"') {
		return nil, errSyntax
	}
	start := s.at
	for ; s.at < len(s.line); s.at++ {
		switch s.line[s.at] {
		case '"':
			s.at++
			return s.line[start : s.at-1], nil
		case '\\':
			return s.escapedText(start)
		}
	}
	return nil, errSyntax
}

// escapedText reads the rest of a string that began at start and has an escape.
func (s *scanner) escapedText(start int) ([]byte, error) {
	from := len(s.buf)
	s.buf = append(s.buf, s.line[start:s.at]...)
	for s.at < len(s.line) {
		c := s.line[s.at]
		s.at++
		switch c {
		case '"':
			return s.buf[from:len(s.buf):len(s.buf)], nil
		case '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		default:
			s.buf = append(s.buf, c)
		}
	}
	return nil, errSyntax
}

// escape reads what follows a backslash.
func (s *scanner) escape() error {
	if s.at >= len(s.line) {
		return errSyntax
	}
	c := s.line[s.at]
	s.at++
	switch c {
	case '"', '\\', '/':
		s.buf = append(s.buf, c)
	case 'b':
		s.buf = append(s.buf, '\b')
	case 'f':
		s.buf = append(s.buf, '\f')
	case 'n':
		s.buf = append(s.buf, '\n')
	case 'r':
		s.buf = append(s.buf, '\r')
	case 't':
		s.buf = append(s.buf, '\t')
	case 'u':
		r, ok := s.hex()
		if !ok {
			return errSyntax
		}
		if rest := s.line[s.at:]; utf16.IsSurrogate(r) && len(rest) > 2 && rest[0] == '\\' && rest[1] == 'u' {
			s.at += 2
			low, ok := s.hex()
			if !ok {
				return errSyntax
			}
			r = utf16.DecodeRune(r, low)
		}
		s.buf = utf8.AppendRune(s.buf, r)
	default:
		return errSyntax
	}
	return nil
}

// hex reads four hexadecimal digits.
func (s *scanner) hex() (r rune, ok bool) {
	if s.at+4 > len(s.line) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s.line[s.at:s.at+4]), 16, 16)
	s.at += 4
	return rune(n), err == nil
}

// skipMax is how deep values may be nested that nobody asks for.
const skipMax = 16

// skip reads any value.
func (s *scanner) skip(depth int) error {
	if depth > skipMax {
		return errSyntax
	}
	switch c := s.peek(); {
	case c == '"':
		_, err := s.text()
		return err
	case c == '{':
		return s.object(func([]byte) error { return s.skip(depth + 1) })
	case c == '[':
		return s.array(func() error { return s.skip(depth + 1) })
	case c == 't' || c == 'f':
		_, err := s.boolean()
		return err
	case c == 'n' && s.null():
		return nil
	}
	_, err := s.number()
	return err
}

// end reports whether nothing is left of the line.
func (s *scanner) end() bool {
	return s.peek() == 0 && s.at == len(s.line)
}
