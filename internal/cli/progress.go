package cli

import (
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// progressTime is how long compiling may take before the user is told of it.
const progressTime = 300 * time.Millisecond

// progress shows a line on a terminal, if done is not called within a time, and
// erases it when done is called. On anything but a terminal it shows nothing.
func progress(to *os.File, after time.Duration, line string) (done func()) {
	if _, err := unix.IoctlGetTermios(int(to.Fd()), unix.TCGETS); err != nil {
		return func() {}
	}
	var mu sync.Mutex
	over, shown := false, false
	timer := time.AfterFunc(after, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			to.WriteString(line)
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
			to.WriteString("\r" + strings.Repeat(" ", len(line)) + "\r")
		}
	}
}

// compiling is the progress of a session's start.
func (m *messages) compiling() (done func()) {
	file, ok := m.w.(*os.File)
	if !ok {
		return func() {}
	}
	return progress(file, progressTime, "opensnoop: compiling the BPF program ...")
}
