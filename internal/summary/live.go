package summary

import (
	"bytes"
	"fmt"
	"time"

	"opensnoop/internal/format"
	"opensnoop/internal/terminal"
)

// Page is a page of a terminal that shows a summary.
type Page struct {
	Width, Height int           // in characters
	For           time.Duration // how long it has been counted
	Keys          bool          // there are some to press
}

// linesOfTable are those of a table beside its rows: an empty one, its header, and the others.
const linesOfTable = 3

// AppendPage appends what draws a page: as many rows of each table as there is room for. Each
// line is cut to the width, and the last line of the terminal stays free.
func (s *Summary) AppendPage(b []byte, p Page) []byte {
	tables := len(s.o.By)
	room := p.Height - 2
	s.o.Top = max(1, room/tables-linesOfTable)
	var text []byte
	text = fmt.Appendf(text, "%d opens, %d failed, %v  sorted by %v", s.total.opens, s.total.failed, p.For.Truncate(time.Second), s.o.Order)
	if p.Keys {
		text = append(text, "   q: quit  s: sort  c: count anew"...)
	}
	text = append(text, '\n')
	for i := range s.o.By {
		text = s.appendTable(append(text, '\n'), i)
	}
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	lines = lines[:min(len(lines), max(p.Height-1, 1))]
	b = append(b, terminal.Home...)
	for i, line := range lines {
		b = format.Clip(b, line, p.Width)
		if i == len(lines)-1 {
			b = append(b, terminal.EndPage...)
		}
		b = append(b, terminal.EndLine...)
	}
	return b
}

// A Live draws a summary on a terminal again and again, where a [format.Writer] writes rows.
//
// [format.Writer]: opensnoop/internal/format.Writer
type Live struct {
	*Writer
	o       LiveOptions
	began   time.Time
	entered bool
	page    []byte
}

// LiveOptions say how a Live draws.
type LiveOptions struct {
	WriterOptions
	Size func() (width, height int) // of the terminal
	Keys <-chan byte                // nil for none
	Quit func()                     // ends the run; its key was pressed
}

// NewLive returns a Live that draws on w, the terminal.
func NewLive(w *Writer, o LiveOptions) *Live { return &Live{Writer: w, o: o} }

// Header clears the terminal.
func (l *Live) Header() error {
	l.began = time.Now()
	l.entered = true
	_, err := l.w.Write([]byte(terminal.Enter + terminal.Home + terminal.EndPage + terminal.EndLine))
	if err != nil {
		return err
	}
	return l.draw()
}

// Flush draws the page when its time has come, or a key was pressed.
func (l *Live) Flush() error {
	pressed := false
	for more := true; more; {
		select {
		case key := <-l.o.Keys:
			pressed = true
			l.press(key)
		default:
			more = false
		}
	}
	if !pressed && time.Now().Before(l.next) {
		return nil
	}
	return l.draw()
}

func (l *Live) press(key byte) {
	switch key {
	case 'q', 'Q':
		l.o.Quit()
	case 's', 'S':
		l.summary.o.Order = l.summary.o.Order.Next()
	case 'c', 'C':
		l.summary.Reset()
		l.began = time.Now()
	}
}

func (l *Live) draw() error {
	now := time.Now()
	l.next = now.Add(l.o.Every)
	page := Page{For: now.Sub(l.began), Keys: l.o.Keys != nil}
	page.Width, page.Height = l.o.Size()
	l.page = l.summary.AppendPage(l.page[:0], page)
	_, err := l.w.Write(l.page)
	return err
}

// Entered reports whether the terminal is still to be given back.
func (l *Live) Entered() bool { return l.entered }

// Close gives the terminal back, and leaves the summary there as it is without a terminal.
func (l *Live) Close() error {
	if l.entered {
		l.entered = false
		if _, err := l.w.Write([]byte(terminal.Leave + "\r" + terminal.EndLine)); err != nil {
			return err
		}
	}
	l.summary.o.Top = usualTop
	return l.Writer.Close()
}
