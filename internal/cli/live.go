package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"opensnoop/internal/format"
	"opensnoop/internal/stream"
	"opensnoop/internal/summary"
)

// live draws the summaries of w in place, if that was asked for and file, to which w writes, is a
// terminal on which it can be. It returns what is to be done in the end.
func (r *run) live(w *summary.Writer, file *os.File) (format.Writer, func()) {
	o := &r.flags.output
	if !o.summary.live || !stream.IsTerminal(file) || os.Getenv("TERM") == "dumb" {
		return w, func() {}
	}
	input, _ := stream.OpenInput(os.Stdin) // where it is no terminal there are no keys
	told := &notices{}
	if r.messages.terminal {
		told.to = r.messages.redirect(told)
	}
	live := summary.NewLive(w, summary.LiveOptions{
		WriterOptions: o.summaryOptions(o.colored(file)),
		Size:          func() (int, int) { return stream.TerminalSize(file) },
		Keys:          input.C,
		HasKeys:       input.HasKeys(),
		Quit:          r.end,
		Stop:          input.Stop,
		Continue:      input.Continue,
		Message:       told.latest,
	})
	giveBack := sync.OnceFunc(func() {
		if live.Entered() { // something has failed, or holds up the end
			file.WriteString(stream.LeavePage)
		}
		err := input.Close()
		if told.to != nil {
			r.messages.redirect(told.to)
			told.repeat()
		}
		if err != nil {
			r.messages.printf("giving the terminal back: %v", err)
		}
	})
	r.giveBack.Store(&giveBack)
	return live, giveBack
}

// notices are messages that show on a page, and come again when that is left.
type notices struct {
	to io.Writer // nil if they do not show there

	mu      sync.Mutex
	last    string
	all     []byte
	skipped int // for which there was no room in all
}

// noticesMax is how many bytes of messages are kept.
const noticesMax = 64 << 10

// Write takes a message.
func (n *notices) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	lines := strings.Split(strings.TrimSuffix(string(p), "\n"), "\n")
	n.last = strings.TrimPrefix(lines[len(lines)-1], messagePrefix)
	if len(n.all)+len(p) > noticesMax {
		n.skipped++
	} else {
		n.all = append(n.all, p...)
	}
	return len(p), nil
}

// latest is the message to show.
func (n *notices) latest() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last
}

// repeat writes all messages that were only on the page.
func (n *notices) repeat() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.all) > 0 {
		n.to.Write(n.all)
	}
	if n.skipped > 0 {
		n.to.Write(appendLine(nil, fmt.Sprintf("%d more messages were shown on the page", n.skipped)))
	}
}
