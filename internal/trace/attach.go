package trace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
	"opensnoop/internal/probe"
)

// attachAll attaches a probe's hooks, and notes what they are.
func (s *Session) attachAll(p *probe.Probe, hooks []probe.Hook) error {
	for i := range hooks {
		h := &hooks[i]
		at, err := s.attach(h)
		if err == nil && h.Marks != 0 {
			s.hooked |= h.Marks
			err = s.setSlot(slotHooked, s.hooked)
		}
		switch {
		case err != nil && !h.Optional:
			return err
		case err != nil || h.Quiet:
		case i == len(hooks)-1:
			s.hook = p.Title(at)
		default:
			s.also = append(s.also, h.Describe(at))
		}
	}
	return nil
}

// attach attaches a hook to the first of its places that is there, and returns that.
func (s *Session) attach(h *probe.Hook) (at string, err error) {
	var errs []error
	for _, at := range h.At {
		found, err := s.attachAt(h, at)
		if err == nil {
			return found, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// attachAt attaches a hook to a function or tracepoint and returns what that is called.
// A compiler may have renamed a function. Most kernels have the plain name: their large
// table of symbols, slow to read, is looked at only where that is not so.
func (s *Session) attachAt(h *probe.Hook, at string) (string, error) {
	attach := s.module.AttachKprobe
	switch h.Kind {
	case probe.RawTracepoint:
		attach = s.module.AttachRawTracepoint
	case probe.Kretprobe:
		attach = s.module.AttachKretprobe
	}
	err := attach(at, h.Program)
	if err == nil {
		s.hooks = append(s.hooks, h)
	}
	if err == nil || h.Optional {
		return at, err
	}
	if h.Kind == probe.RawTracepoint {
		return at, err
	}
	renamed, findErr := kernel.CurrentSymbol(at)
	if findErr != nil {
		return at, errors.Join(err, findErr)
	}
	if renamed == at {
		return at, err
	}
	s.hooks = append(s.hooks, h)
	return renamed, attach(renamed, h.Program)
}

// attachIOUring hooks the opens that come through io_uring. It is best effort: a
// kernel may have none.
func (s *Session) attachIOUring(version kernel.Version) {
	hooks, err := probe.IOUring(version, s.fields.Has(event.Result))
	var at string
	for i := range hooks {
		h := &hooks[i]
		if err = s.module.Load(h.Program, h.Kind.ProgramType()); err == nil {
			at, err = s.attach(h)
		}
		if err == nil && !h.Quiet {
			s.also = append(s.also, h.Describe(at))
		}
		if err != nil {
			break
		}
	}
	if err != nil {
		s.unseen = append(s.unseen, fmt.Sprintf("opens through io_uring: %v", err))
	}
}

const (
	// proofTime is how long it may take until the program has seen an open of ours.
	// It sees each at once, unless the kernel skips it, as while a program runs on
	// the same CPU already.
	proofTime = time.Second

	proofPause = time.Millisecond
)

// prove opens a file and sees that the program has run for it: attached is not working.
// Kprobes can be switched off, as by sysctl kernel.ftrace_enabled=0, and then attach all
// the same.
func (s *Session) prove(ctx context.Context) error {
	before, err := s.slot(slotSelfSeen)
	if err != nil {
		return err
	}
	for end := time.Now().Add(proofTime); ; time.Sleep(proofPause) {
		fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("opening a file to see whether the %s fires: %w", s.hook, err)
		}
		unix.Close(fd)
		seen, err := s.slot(slotSelfSeen)
		switch {
		case err != nil:
			return err
		case seen != before:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case time.Now().After(end):
			return fmt.Errorf("the %s is attached, but does not fire%s", s.hook, whySilent(os.ReadFile))
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
