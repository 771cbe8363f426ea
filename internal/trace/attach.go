package trace

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"opensnoop/internal/kernel"
	"opensnoop/internal/probe"
)

// attachAll attaches the probe's hooks, and notes what they are.
func (s *Session) attachAll(hooks []probe.Hook) error {
	for i := range hooks {
		h := &hooks[i]
		if s.attached(h.FallbackFor) {
			s.later = h
			continue
		}
		if !slices.Contains(s.hooks, h) {
			s.attachAlike(hooks[i:])
		}
		at, err := h.At[0], error(nil)
		if !slices.Contains(s.hooks, h) {
			at, err = s.attach(h)
		}
		if err == nil && h.SetsFlag != 0 {
			s.hooked |= h.SetsFlag
			err = s.slots.set(slotHooked, s.hooked)
		}
		switch {
		case err != nil && !h.Optional:
			return err
		case err != nil || h.Hidden:
		case i == len(hooks)-1:
			s.hook = cmp.Or(s.plan.Probe.Title, h.Describe(at))
		default:
			s.extraHooks = append(s.extraHooks, h.Describe(at))
		}
	}
	return nil
}

// attachAlike attaches the kprobe sessions that hooks begin with, and that have one program, in one go:
// each takes the kernel some time. Functions without a type are left out. Where it fails, each is tried
// by itself.
func (s *Session) attachAlike(hooks []probe.Hook) {
	var alike []*probe.Hook
	var at []string
	for i := range hooks {
		h := &hooks[i]
		if h.Kind != probe.KprobeSession || h.Program != hooks[0].Program {
			break
		}
		if s.compiled.Functions[h.At[0]] != 0 {
			alike, at = append(alike, h), append(at, h.At[0])
		}
	}
	if len(alike) > 1 && s.module.AttachSession(at, hooks[0].Program, pendingMax) == nil {
		s.hooks = append(s.hooks, alike...)
	}
}

// attachLater attaches what was not needed at the start, once a call waits for it. Where that fails,
// the call shows as what is known of it.
func (s *Session) attachLater() {
	if s.later == nil {
		return
	}
	if wanted, err := s.slots.get(slotReturnWanted); err == nil && wanted != 0 {
		s.attach(s.later)
		s.later = nil
	}
}

// attached reports whether a hook of this program is attached.
func (s *Session) attached(program string) bool {
	return slices.ContainsFunc(s.hooks, func(h *probe.Hook) bool { return h.Program == program })
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
	case probe.KprobeMulti:
		attach = s.module.AttachMulti
	case probe.KretprobeMulti:
		attach = s.module.AttachReturnMulti
	case probe.KprobeSession:
		attach = func(at, program string) error { return s.module.AttachSession([]string{at}, program, pendingMax) }
	case probe.Fentry, probe.Fexit:
		attach = s.module.AttachTrampoline
	}
	err := attach(at, h.Program)
	if err == nil {
		s.hooks = append(s.hooks, h)
	}
	if err == nil || h.Optional {
		return at, err
	}
	if h.Kind == probe.RawTracepoint || h.Trampoline() {
		return at, err
	}
	renamed, findErr := kernel.CurrentSymbol(at)
	if findErr != nil {
		return at, errors.Join(err, findErr)
	}
	if renamed == at {
		return at, err
	}
	if err := attach(renamed, h.Program); err != nil {
		return renamed, err
	}
	s.hooks = append(s.hooks, h)
	return renamed, nil
}

// attachIOUring hooks the opens that come through io_uring. It is best effort: a
// kernel may have none.
func (s *Session) attachIOUring() {
	err := s.noIOUring
	for i := range s.plan.IOUring {
		h := &s.plan.IOUring[i]
		if err != nil {
			break
		}
		var at string
		at, err = s.attach(h)
		if err == nil && !h.Hidden {
			s.extraHooks = append(s.extraHooks, h.Describe(at))
		}
	}
	if err != nil {
		s.notShown = append(s.notShown, fmt.Sprintf("opens through io_uring: %v", err))
	}
}
