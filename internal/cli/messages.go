package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"opensnoop/internal/format"
	"opensnoop/internal/stream"
	"opensnoop/internal/trace"
)

// messages writes lines for the user, each marked as opensnoop's. Names and
// arguments in them may be anything: they come in printable characters only.
type messages struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool // stderr is one

	background *stream.Background // nil without
}

// newMessages returns messages to stderr, for which nobody waits.
func newMessages(stderr *os.File) *messages {
	background := stream.NewBackground(stderr, func(n int64) []byte {
		return appendLine(nil, fmt.Sprintf("%d messages were left out, as nobody read them", n))
	})
	return &messages{w: background, terminal: stream.IsTerminal(stderr), background: background}
}

// flush waits a moment until all is written.
func (m *messages) flush() { m.background.Flush() }

// Write writes text as it is.
func (m *messages) Write(p []byte) (int, error) {
	m.mu.Lock()
	w := m.w
	m.mu.Unlock()
	return w.Write(p)
}

// redirect has messages go to w from now on, and returns where they went before.
func (m *messages) redirect(w io.Writer) (before io.Writer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, m.w = m.w, w
	return before
}

// printf writes a line. A line break in it comes as \n.
func (m *messages) printf(format string, args ...any) {
	m.Write(appendLine(nil, fmt.Sprintf(format, args...)))
}

// lines writes a text of several lines.
func (m *messages) lines(text string) {
	var b []byte
	for line := range strings.Lines(text) {
		b = appendLine(b, strings.TrimSuffix(line, "\n"))
	}
	m.Write(b)
}

// errors writes an error, those that were joined a line each.
func (m *messages) errors(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			m.errors(err)
		}
		return
	}
	m.printf("%v", err)
}

// messagePrefix begins each line.
const messagePrefix = "opensnoop: "

func appendLine(b []byte, line string) []byte {
	b = append(b, messagePrefix...)
	b = format.AppendPrintable(b, []byte(strings.TrimRight(line, " ")))
	return append(b, '\n')
}

// uncompared says how many opens the filters could not decide on.
func (m *messages) uncompared(n trace.Uncompared) {
	if n.Shown > 0 {
		m.printf("shown, though their names or paths could not be compared with those asked for: %d opens", n.Shown)
	}
	if n.Left > 0 {
		m.printf("not shown, as their files have no paths to compare, such as pipes: %d opens", n.Left)
	}
}
