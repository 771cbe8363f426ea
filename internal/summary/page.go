package summary

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"opensnoop/internal/format"
	"opensnoop/internal/stream"
)

// Page is a page of a terminal that shows a summary, as far as its user chooses it.
type Page struct {
	Width, Height int           // in characters
	For           time.Duration // how long it has been counted
	Keys          bool          // there are some to press
	Message       string        // shown in a line of its own; "" is none

	Help   bool   // the keys are shown, and no tables
	Only   int    // the table that is shown alone, from 1 on; 0 is all
	Top    int    // how many rows are above the page
	Filter []byte // rows are shown that have this in their names
	Typing bool   // it is being typed
}

// hints are the keys in the page's last line, those first that are there also if it is narrow.
var hints = []string{"q: quit", "?: help", "s: sort", "/: filter", "Tab: one table", "↑ ↓: scroll", "c: count anew"}

// help is what the keys do. It has room on a terminal of 40 by 15.
var help = []string{
	"s     sort by another column",
	"/     show what contains a text;",
	"      Enter keeps it, Esc shows all",
	"↑ ↓   scroll by lines, also k j",
	"PgUp PgDn Home End   by pages",
	"Tab   one table alone, the next, all",
	"c     count anew",
	"q     quit",
	"",
	"+  it may be more than that",
	"?  back",
}

// appendPage appends what draws a page. Each line is cut to the width, with a mark. It returns how
// many rows can be above it, if it can be scrolled so far.
func (s *Summary) appendPage(b []byte, p Page) (page []byte, topMost int) {
	lines := [][]byte{s.status(&p)}
	var bottom [][]byte
	if p.Message != "" && p.Height > 3 {
		bottom = append(bottom, s.emphasize(format.Cut([]byte(p.Message), p.Width), format.Red))
	}
	if p.Height > 2 {
		bottom = append(bottom, p.hints())
	}
	room := p.Height - len(lines) - len(bottom)
	if p.Help {
		for _, line := range help[:min(len(help), max(room, 0))] {
			lines = append(lines, []byte(line))
		}
	} else {
		var tables [][]byte
		tables, topMost = s.tables(&p, room)
		lines = append(lines, tables...)
	}
	for len(lines)+len(bottom) < p.Height {
		lines = append(lines, nil)
	}
	b = append(b, stream.TopOfPage...)
	for i, line := range append(lines, bottom...)[:max(p.Height, 1)] {
		if i > 0 {
			b = append(b, '\n')
		}
		// At first: behind a full line it would take the last character.
		b = append(b, stream.ClearLine...)
		b = format.Clip(b, line, p.Width)
	}
	return append(b, stream.ClearPage...), topMost
}

// status is the page's first line: what there is room for.
func (s *Summary) status(p *Page) []byte {
	line := format.Cut(fmt.Appendf(nil, "%d opens", s.total.opens), p.Width)
	parts := []string{
		fmt.Sprintf(", %d failed", s.total.failed),
		fmt.Sprintf(", %v", p.For.Truncate(time.Second)),
		fmt.Sprintf("  sorted by %v", s.o.Order),
	}
	if len(p.Filter) > 0 {
		parts = append(parts, "  only "+string(format.AppendEscaped(nil, p.Filter)))
	}
	for _, part := range parts {
		if format.Width(line)+format.Width([]byte(part)) <= p.Width {
			line = append(line, part...)
		}
	}
	return line
}

// hints is the page's last line. None of its keys is cut.
func (p *Page) hints() (line []byte) {
	if p.Typing {
		return format.CutStart(fmt.Appendf(nil, "/%s█", format.AppendEscaped(nil, p.Filter)), p.Width)
	}
	hints := hints
	if !p.Keys {
		hints = []string{"Ctrl-C: quit"}
	}
	for _, hint := range hints {
		if len(line) > 0 {
			hint = "  " + hint
		}
		if format.Width(line)+format.Width([]byte(hint)) > p.Width {
			break
		}
		line = append(line, hint...)
	}
	return line
}

// emphasize returns a text in colour, if there is colour.
func (s *Summary) emphasize(text []byte, color string) []byte {
	if !s.o.Color {
		return text
	}
	return fmt.Appendf(nil, "%s%s%s", color, text, format.Reset)
}

// paged is a table on a page.
type paged struct {
	index   int // of what is counted by
	entries []*entry
	names   [][]byte // of the entries
	rows    int      // for which there is room
}

// beside is how many lines a table has beside its rows: its header, and the others.
const beside = 2

// tables returns the lines of the tables that there is room for.
func (s *Summary) tables(p *Page, room int) (lines [][]byte, topMost int) {
	var tables []*paged
	for i := range s.o.By {
		if p.Only == 0 || p.Only == i+1 {
			tables = append(tables, s.paged(i, p.Filter))
		}
	}
	tables = tables[:min(len(tables), max(room/(beside+1), 1))]
	gap := 0
	if room >= 20 {
		gap = 1 // an empty line before each
	}
	share(tables, room-len(tables)*(beside+gap))
	for _, t := range tables {
		topMost = max(topMost, len(t.entries)-t.rows)
		for range gap {
			lines = append(lines, nil)
		}
		lines = append(lines, s.pageTable(p, t)...)
	}
	return lines[:max(min(len(lines), room), 0)], topMost
}

// paged returns a table of what is counted i-th, with the rows that have a text in their names.
func (s *Summary) paged(i int, filter []byte) *paged {
	t := &paged{index: i}
	filter = bytes.ToLower(filter)
	for _, e := range s.tallies[i].sorted(s.o.Order) {
		s.lookUp(i, e)
		name := s.o.By[i].text(nil, e)
		if len(filter) == 0 || bytes.Contains(bytes.ToLower(name), filter) {
			t.entries, t.names = append(t.entries, e), append(t.names, name)
		}
	}
	return t
}

// share shares out rows among tables, none of which gets more than it has.
func share(tables []*paged, rows int) {
	for given := true; rows > 0 && given; {
		given = false
		for _, t := range tables {
			if rows > 0 && t.rows < len(t.entries) {
				t.rows++
				rows--
				given = true
			}
		}
	}
}

// pageTable returns the lines of a table.
func (s *Summary) pageTable(p *Page, t *paged) [][]byte {
	columns := s.columns(p.Width)
	head, width := "", p.Width
	for _, c := range columns {
		head += c.head
		width -= len(c.head)
	}
	width = max(width, 1)
	by := s.o.By[t.index]
	header := format.AppendPadded(nil, format.Cut([]byte(by.header), width-1), width)
	lines := [][]byte{s.emphasize(append(header, head...), format.Dim)}
	others := s.total
	top := min(p.Top, len(t.entries)-t.rows)
	row := func(name []byte, c counts, atLeast bool) {
		if by.path {
			name = format.CutStart(name, width-1)
		}
		line := format.AppendPadded(nil, format.Cut(name, width-1), width)
		for _, column := range columns {
			line = column.value(s, line, c, atLeast)
		}
		lines = append(lines, line)
	}
	for i := top; i < top+t.rows; i++ {
		row(t.names[i], t.entries[i].counts, t.entries[i].atLeast)
		others = others.less(t.entries[i].counts)
	}
	if others.opens > 0 {
		row([]byte(`\(others)`), others, false)
	}
	return lines
}

// pageColumn is a column of numbers. Its head is as wide as it is.
type pageColumn struct {
	head  string
	value func(s *Summary, b []byte, c counts, atLeast bool) []byte
}

var (
	opensColumn = pageColumn{"    OPENS ", func(_ *Summary, b []byte, c counts, atLeast bool) []byte {
		return fmt.Appendf(b, "%9d%c", c.opens, mark(atLeast))
	}}
	failedColumn = pageColumn{"  FAILED", func(s *Summary, b []byte, c counts, _ bool) []byte {
		return append(b, s.failedText(c)...)
	}}
	tookColumn = pageColumn{"   TOOK(ms)", func(_ *Summary, b []byte, c counts, _ bool) []byte { return appendTime(b, c.took) }}
	maxColumn  = pageColumn{"    MAX(ms)", func(_ *Summary, b []byte, c counts, _ bool) []byte { return appendTime(b, c.max) }}

	shareColumn = pageColumn{"  SHARE", func(s *Summary, b []byte, c counts, _ bool) []byte {
		return fmt.Appendf(b, " %5.1f%%", 100*s.share(c))
	}}
	barColumn = pageColumn{strings.Repeat(" ", barWidth+1), func(s *Summary, b []byte, c counts, _ bool) []byte {
		return fmt.Appendf(b, " %-*s", barWidth, bar(s.share(c)))
	}}
)

// columns are those that there is room for: names take half of the width, and those go first by
// which rows are not sorted.
func (s *Summary) columns(width int) []*pageColumn {
	all := []*pageColumn{&opensColumn, &failedColumn, &shareColumn, &barColumn}
	if s.o.Took {
		all = slices.Insert(all, 2, &tookColumn, &maxColumn)
	}
	sorted := &opensColumn
	switch s.o.Order {
	case ByFailed:
		sorted = &failedColumn
	case ByTook:
		sorted = &tookColumn
	case byMax:
		sorted = &maxColumn
	}
	for _, without := range []*pageColumn{&barColumn, &maxColumn, &tookColumn, &failedColumn, &opensColumn, &shareColumn} {
		room := width
		for _, c := range all {
			room -= len(c.head)
		}
		if 2*room >= width {
			break
		}
		if without != sorted {
			all = slices.DeleteFunc(all, func(c *pageColumn) bool { return c == without })
		}
	}
	return all
}
