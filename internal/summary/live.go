package summary

import (
	"time"
	"unicode/utf8"

	"opensnoop/internal/stream"
)

// A Live draws a summary on a terminal again and again, where a [format.Writer] writes rows.
//
// [format.Writer]: opensnoop/internal/format.Writer
type Live struct {
	*Writer
	o       LiveOptions
	began   time.Time
	entered bool
	page    Page
	topMost int // how far it can be scrolled
	drawn   []byte
}

// LiveOptions say how a Live draws.
type LiveOptions struct {
	WriterOptions
	Size     func() (width, height int) // of the terminal
	Keys     <-chan stream.Key          // nil for none
	HasKeys  bool                       // not only signals come by Keys
	Quit     func()                     // ends the run; its key was pressed
	Stop     func() error               // stops the process until it is continued
	Continue func() error               // takes the terminal again
	Message  func() string              // what is to be told now; "" is nothing
}

// NewLive returns a Live that draws on w, the terminal.
func NewLive(w *Writer, o LiveOptions) *Live {
	return &Live{Writer: w, o: o, page: Page{Keys: o.HasKeys}}
}

// Header clears the terminal.
func (l *Live) Header() error {
	l.began = time.Now()
	return l.enter()
}

// enter takes the terminal.
func (l *Live) enter() error {
	l.entered = true
	if _, err := l.w.Write([]byte(stream.EnterPage + stream.TopOfPage + stream.ClearPage + "\n")); err != nil {
		return err
	}
	return l.draw()
}

// leave gives the terminal back, as it was.
func (l *Live) leave() error {
	if !l.entered {
		return nil
	}
	l.entered = false
	_, err := l.w.Write([]byte(stream.LeavePage + "\r" + stream.ClearLine + "\n"))
	return err
}

// Flush draws the page when its time has come, there is something to tell, or a key was pressed.
func (l *Live) Flush() error {
	changed := l.o.Message != nil && l.o.Message() != l.page.Message
	for {
		select {
		case key := <-l.o.Keys:
			if err := l.press(key); err != nil {
				return err
			}
			changed = true
			continue
		default:
		}
		break
	}
	if !changed && time.Now().Before(l.next) {
		return nil
	}
	return l.draw()
}

// press does what a key is for.
func (l *Live) press(key stream.Key) error {
	p := &l.page
	switch {
	case key == stream.Stop:
		if err := l.leave(); err != nil {
			return err
		}
		if err := l.o.Stop(); err != nil {
			return err
		}
		return l.enter()
	case key == stream.Continued:
		if err := l.o.Continue(); err != nil {
			return err
		}
		return l.enter()
	case p.Typing:
		l.typed(key)
	case p.Help:
		p.Help = false
	case !l.choose(key):
		l.scroll(key)
	}
	return nil
}

// typed takes a key of a filter.
func (l *Live) typed(key stream.Key) {
	p := &l.page
	switch {
	case key == stream.Enter:
		p.Typing = false
	case key == stream.Escape:
		p.Typing, p.Filter = false, nil
	case key == stream.Backspace:
		_, size := utf8.DecodeLastRune(p.Filter)
		p.Filter = p.Filter[:len(p.Filter)-size]
	case key >= ' ' && len(p.Filter) < filterMax:
		p.Filter = utf8.AppendRune(p.Filter, rune(key))
	}
	p.Top = 0
}

// filterMax is how long a filter can get, in bytes.
const filterMax = 256

// choose does what other keys than those for scrolling are for.
func (l *Live) choose(key stream.Key) bool {
	p := &l.page
	switch key {
	case 'q', 'Q':
		l.o.Quit()
	case 's', 'S':
		l.summary.o.Order = l.summary.next()
	case 'c', 'C':
		l.summary.Reset()
		l.began = time.Now()
	case '/':
		p.Typing = true
	case '?':
		p.Help = true
	case stream.Escape:
		p.Filter = nil
	case stream.Tab:
		p.Only = (p.Only + 1) % (len(l.summary.o.By) + 1)
		p.Top = 0
	default:
		return false
	}
	return true
}

// scroll moves the page.
func (l *Live) scroll(key stream.Key) {
	half := max(l.page.Height/2, 1)
	by := map[stream.Key]int{
		stream.Up: -1, 'k': -1, stream.Down: 1, 'j': 1, stream.PageUp: -half, stream.PageDown: half, ' ': half,
		stream.Home: -l.page.Top, stream.End: l.topMost,
	}[key]
	l.page.Top = max(min(l.page.Top+by, l.topMost), 0)
}

func (l *Live) draw() error {
	now := time.Now()
	l.next = now.Add(l.o.Every)
	l.page.For = now.Sub(l.began)
	l.page.Width, l.page.Height = l.o.Size()
	if l.o.Message != nil {
		l.page.Message = l.o.Message()
	}
	l.drawn, l.topMost = l.summary.appendPage(l.drawn[:0], l.page)
	l.page.Top = min(l.page.Top, l.topMost)
	_, err := l.w.Write(l.drawn)
	return err
}

// Entered reports whether the terminal is still to be given back.
func (l *Live) Entered() bool { return l.entered }

// Close gives the terminal back, and leaves the summary there as it is without a terminal.
func (l *Live) Close() error {
	if err := l.leave(); err != nil {
		return err
	}
	return l.Writer.Close()
}
