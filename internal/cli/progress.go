package cli

import (
	"io"
	"strings"
	"sync"
	"time"
)

// progressTime is how long compiling may take before the user is told of it.
const progressTime = 300 * time.Millisecond

// progress shows a line on a terminal, if done is not called within a time, and
// erases it when done is called.
func progress(to io.Writer, after time.Duration, line string) (done func()) {
	var mu sync.Mutex
	over, shown := false, false
	timer := time.AfterFunc(after, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			io.WriteString(to, line)
			shown = true
		}
	})
	return func() {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		over = true
		if shown {
			// No escape sequence: any terminal can do this.
			io.WriteString(to, "\r"+strings.Repeat(" ", len(line))+"\r")
		}
	}
}

// compiling is the progress of a session's start, on a terminal.
func (m *messages) compiling() (done func()) {
	if !m.terminal {
		return func() {}
	}
	return progress(m, progressTime, "opensnoop: compiling; not tracing yet ...")
}
