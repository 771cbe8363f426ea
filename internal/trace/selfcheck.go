package trace

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// selfCheckTime is how long it may take until the program has seen an open of ours.
	// It sees each at once, unless the kernel skips it, as while a program runs on
	// the same CPU already.
	selfCheckTime = time.Second

	selfCheckPause = time.Millisecond

	// silentTries is how many opens of ours the program may miss before it is said not to
	// run any more.
	silentTries = 3
)

// probeFires opens a file and reports whether the program has run for it.
func (s *Session) probeFires() (bool, error) {
	before, err := s.slots.get(slotSelfSeen)
	if err != nil {
		return false, err
	}
	fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, fmt.Errorf("opening a file to see whether the %s fires: %w", s.hook, err)
	}
	unix.Close(fd)
	after, err := s.slots.get(slotSelfSeen)
	return after != before, err
}

// selfCheck sees that the program runs for our own opens: attached is not working. Kprobes can
// be switched off, as by sysctl kernel.ftrace_enabled=0, and then attach all the same. The
// time that the program notes sets the clock.
func (s *Session) selfCheck(ctx context.Context) error {
	for end := time.Now().Add(selfCheckTime); ; time.Sleep(selfCheckPause) {
		began := monotonic()
		seen, err := s.probeFires()
		ended := monotonic()
		switch {
		case err != nil:
			return err
		case seen:
			at, err := s.slots.get(slotSelfTime)
			s.clock.learn(int64(at), began, ended)
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case time.Now().After(end):
			return fmt.Errorf("the %s is attached, but does not fire%s", s.hook, whySilent(os.ReadFile))
		}
	}
}

// checkSilence tells when the program no longer runs, and when it does so again. It takes an
// open of ours, and costs nobody else anything.
func (s *Session) checkSilence(h Handler) {
	seen, err := s.probeFires()
	switch {
	case err != nil: // as without descriptors: it shows nothing
	case seen && s.missed >= silentTries:
		s.missed = 0
		h.Silent(nil)
	case seen:
		s.missed = 0
	default:
		if s.missed++; s.missed == silentTries {
			h.Silent(fmt.Errorf("the %s no longer fires%s", s.hook, whySilent(os.ReadFile)))
		}
	}
}

// whySilent names what keeps kprobes from firing, as far as files tell.
func whySilent(read func(path string) ([]byte, error)) string {
	for _, off := range []struct{ path, what string }{
		{"/proc/sys/kernel/ftrace_enabled", "sysctl kernel.ftrace_enabled is 0"},
		{"/sys/kernel/debug/kprobes/enabled", "/sys/kernel/debug/kprobes/enabled is 0"},
	} {
		if text, err := read(off.path); err == nil && len(text) > 0 && text[0] == '0' {
			return ": " + off.what
		}
	}
	return ""
}
