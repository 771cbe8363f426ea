package trace

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"opensnoop/internal/proc"
)

// ends are the ends of the processes that are traced by their numbers, or followed. A number may be
// given to another process when its own has ended: the BPF program sees that and traces the number
// no more. Where it cannot, it is done here, a little later.
type ends struct {
	pids *ebpf.Map // those to trace, if they are several

	alive []unix.PollFd // readable when the process has ended
	of    []uint32      // whose they are
	ended []uint32      // those to tell of
	left  int           // how many have not been told of
	none  bool          // it has been told that none is left
}

// watchEnds begins to trace the processes that are traced by their numbers, and to look for their
// ends and those of the ones to follow.
func (s *Session) watchEnds() (err error) {
	f := &s.plan.Filter
	if _, one := f.OnePID(); len(f.PIDs) > 0 && !one {
		if s.ends.pids, err = s.module.Map("pids"); err != nil {
			return err
		}
	}
	for i := range s.plan.Ends {
		if _, err := s.attach(&s.plan.Ends[i]); err != nil {
			return fmt.Errorf("looking for the ends of processes: %w", err)
		}
	}
	watched := slices.Clone(f.PIDs)
	if f.Running {
		watched = append(watched, f.Roots...)
	}
	slices.Sort(watched)
	watched = slices.Compact(watched)
	s.ends.left = len(watched)
	if f.RootsExcluded {
		s.ends.left = len(slices.Compact(slices.Sorted(slices.Values(f.PIDs))))
	}
	for _, pid := range watched {
		if err := s.ends.watch(pid); err != nil {
			return err
		}
	}
	for _, pid := range f.PIDs {
		if err := s.tracePID(pid); err != nil {
			return err
		}
	}
	return nil
}

// watch looks for the end of a process.
func (e *ends) watch(pid uint32) error {
	fd, err := unix.PidfdOpen(int(pid), 0)
	switch {
	case err == nil:
		e.alive = append(e.alive, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		e.of = append(e.of, pid)
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINVAL): // it is another's thread by now
		e.ended = append(e.ended, pid)
	case !errors.Is(err, unix.ENOSYS): // before Linux 5.3 the program alone sees it
		return fmt.Errorf("looking for the end of the process %d: %w", pid, proc.ExplainLimit(err))
	}
	return nil
}

// tracePID traces a process.
func (s *Session) tracePID(pid uint32) error {
	switch {
	case slices.Contains(s.ends.ended, pid):
	case s.ends.pids == nil:
		return s.slots.set(slotPID, uint64(pid))
	default:
		if err := s.ends.pids.Put(pid, uint8(1)); err != nil {
			return fmt.Errorf("tracing the process %d beside so many: %w", pid, err)
		}
	}
	return nil
}

// forgetRoots follows those of the roots no more that ended before the program could see it.
func (s *Session) forgetRoots() error {
	if err := s.pollEnds(); err != nil || s.followed == nil {
		return err
	}
	for _, pid := range s.ends.ended {
		if !s.follows(pid) {
			continue
		}
		if err := errors.Join(s.followed.Delete(pid), s.countInBucket(pid, -1)); err != nil {
			return fmt.Errorf("following the process %d no more: %w", pid, err)
		}
	}
	return nil
}

// pollEnds finds the processes that have ended, and traces them no more.
func (s *Session) pollEnds() error {
	e := &s.ends
	if n, err := unix.Poll(e.alive, 0); n == 0 || err != nil {
		return nil // if it was interrupted, the next time
	}
	for i := len(e.of) - 1; i >= 0; i-- {
		if e.alive[i].Revents == 0 {
			continue
		}
		pid := e.of[i]
		unix.Close(int(e.alive[i].Fd))
		e.alive, e.of = slices.Delete(e.alive, i, i+1), slices.Delete(e.of, i, i+1)
		e.ended = append(e.ended, pid)
		var err error
		if e.pids != nil {
			err = e.pids.Delete(pid)
		} else if slices.Contains(s.plan.Filter.PIDs, pid) {
			err = s.slots.set(slotPID, noPID)
		}
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("tracing the process %d no more: %w", pid, err)
		}
	}
	return nil
}

// reportEnds reports the processes that have ended, and if none is left to trace.
func (s *Session) reportEnds(h Handler) error {
	e, f := &s.ends, &s.plan.Filter
	if e.none || len(f.PIDs) == 0 && (!f.Running || f.RootsExcluded) {
		return nil
	}
	err := s.pollEnds()
	if f.RootsExcluded {
		e.ended = slices.DeleteFunc(e.ended, func(pid uint32) bool { return !slices.Contains(f.PIDs, pid) })
	}
	for _, pid := range e.ended {
		h.Ended(pid)
	}
	e.left -= len(e.ended)
	e.ended = nil
	if e.left == 0 && (f.RootsExcluded || s.Followed() == 0) {
		e.none = true
		h.NoneLeft()
	}
	return err
}

// close gives back what is left of what the ends were looked for with.
func (e *ends) close() {
	for _, fd := range e.alive {
		unix.Close(int(fd.Fd))
	}
	*e = ends{}
}
