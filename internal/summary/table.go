package summary

import (
	"fmt"
	"io"
	"math"
	"strings"

	"opensnoop/internal/format"
)

// barWidth is the width of the bar of all opens, in characters.
const barWidth = 10

// writeTable writes a line of totals, then a table for each of what is counted by, as of the
// most opened files, with one Write. A count that is followed by +
// is the least that it can be. The row \(others) counts all that is in no other
// row. Bytes of names come escaped as in format's table, so that no name looks
// like it.
func (s *Summary) writeTable(w io.Writer) error {
	b := fmt.Appendf(nil, "%d opens", s.total.opens)
	if s.o.Results {
		b = fmt.Appendf(b, ", %d failed", s.total.failed)
		if s.unknown > 0 {
			b = fmt.Appendf(b, ", %d with an unknown result", s.unknown)
		}
	}
	b = append(b, '\n')
	if s.total.opens > 0 {
		for i := range s.o.By {
			b = s.appendTable(append(b, '\n'), i)
		}
	}
	_, err := w.Write(b)
	return err
}

// appendTable appends the table of what is counted i-th.
func (s *Summary) appendTable(b []byte, i int) []byte {
	failed := ""
	if s.o.Results {
		failed = "  FAILED"
	}
	if s.o.Took {
		failed += tookColumn.head + maxColumn.head
	}
	header := fmt.Sprintf("%9s%s  %-17s %s", "OPENS ", failed, "SHARE", s.o.By[i].header)
	if s.o.Color {
		header = format.Dim + header + format.Reset
	}
	b = fmt.Appendf(b, "%s\n", header)
	shown, others := s.top(i)
	for _, e := range shown {
		b = s.appendCounts(b, e.counts, e.atLeast)
		b = trimmed(s.o.By[i].text(b, e))
	}
	if others.opens > 0 {
		b = s.appendCounts(b, others, false)
		b = append(b, "\\(others)\n"...)
	}
	return b
}

// appendCounts appends what comes first in each row.
func (s *Summary) appendCounts(b []byte, c counts, atLeast bool) []byte {
	b = fmt.Appendf(b, "%8d%c", c.opens, mark(atLeast))
	if s.o.Results {
		b = append(b, s.failedText(c)...)
	}
	if s.o.Took {
		b = appendTime(appendTime(b, c.took), c.max)
	}
	share := s.share(c)
	return fmt.Appendf(b, "  %5.1f%% %-*s ", 100*share, barWidth, bar(share))
}

// mark is what stands behind a count: whether it is the least that it can be.
func mark(atLeast bool) rune {
	if atLeast {
		return '+'
	}
	return ' '
}

// failedText is how many opens failed.
func (s *Summary) failedText(c counts) string {
	failed := fmt.Sprintf("%8d", c.failed)
	if s.o.Color && c.failed > 0 {
		failed = format.Red + failed + format.Reset
	}
	return failed
}

// timeWidth is the width of a time in ms.
const timeWidth = 11

// appendTime appends a time in ns, or blanks for one that is not known.
func appendTime(b []byte, ns uint64) []byte {
	if ns == 0 {
		return fmt.Appendf(b, "%*s", timeWidth, "")
	}
	return fmt.Appendf(b, "%*s", timeWidth, format.AppendMilliseconds(nil, ns))
}

// trimmed ends a row without blanks before its end.
func trimmed(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return append(b, '\n')
}

// bar draws a share in eighths of a character (Unicode's block elements).
func bar(share float64) string {
	eighths := int(math.Round(share * barWidth * 8))
	whole := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		whole += string(rune('█' + 8 - rest))
	}
	return whole
}
