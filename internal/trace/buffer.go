package trace

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
	"opensnoop/internal/perfbuf"
	"opensnoop/internal/probe"
)

// bufferLimit is how many bytes all buffers have together, unless their size is asked for.
const bufferLimit = 64 << 20

// argsTimes is how many times the usual size buffers have for records with arguments, which are of
// some kilobytes: a recording of one cc lost a third of its opens beside six busy processes.
const argsTimes = 4

// ownMemory is what this process takes at least, in bytes, besides what its maps take in the kernel.
const ownMemory = 8 << 20

// openMaps opens the program's maps, but for the perf buffers.
func (s *Session) openMaps() error {
	array, err := s.module.Map("slots")
	if err != nil {
		return err
	}
	if s.slots, err = openSlots(array); err != nil {
		return err
	}
	return s.openPending()
}

// loadAndBuffer loads the programs, and meanwhile opens perf buffers of so many pages for each CPU.
func (s *Session) loadAndBuffer(pages int) ([]probe.Hook, error) {
	events, err := s.module.Map("events")
	if err != nil {
		return nil, err
	}
	opened := make(chan error)
	go func() { opened <- s.openBuffers(events, pages) }()
	hooks, err := s.load()
	return hooks, cmp.Or(err, <-opened)
}

// openBuffers opens perf buffers of so many pages for each CPU; 0 is the default, or as much of it as
// this process may lock.
func (s *Session) openBuffers(events *ebpf.Map, pages int) (err error) {
	s.pages = pages
	if s.pages == 0 {
		s.pages = DefaultBufferPages
		if s.plan.Fields.Has(event.Args) {
			s.pages *= argsTimes
		}
		for s.pages > 1 && s.pages*os.Getpagesize()*kernel.OnlineCPUs() > bufferLimit {
			s.pages /= 2
		}
	}
	for {
		s.reader, err = perfbuf.New(events, perfbuf.Options{
			Pages: s.pages, Watermark: s.pages * os.Getpagesize() / watermarkPart,
		})
		switch {
		case err == nil:
			return nil
		case pages == 0 && s.pages > 1 && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOMEM)):
			s.pages /= 2
		default:
			return fmt.Errorf("opening the perf buffers: %w%s", err, whyNoBuffers(err))
		}
	}
}

// whyNoBuffers says what helps.
func whyNoBuffers(err error) string {
	step := ""
	if open := (*perfbuf.OpenError)(nil); errors.As(err, &open) {
		step = open.Step
	}
	switch {
	case errors.Is(err, unix.EPERM) && step == "mmap":
		return "; this user may lock no more memory: use a smaller -b, or raise ulimit -l"
	case errors.Is(err, unix.ENOMEM):
		return "; use a smaller -b"
	case errors.Is(err, unix.EACCES):
		// Debian's and Ubuntu's kernels have a level above the usual 2, at which
		// CAP_PERFMON does not suffice.
		return "; where kernel.perf_event_paranoid is above 2 it takes CAP_SYS_ADMIN: set it to 2, or use sudo"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSYS):
		return "; a seccomp filter or lockdown refuses it: in a container, add --security-opt seccomp=unconfined"
	}
	return ""
}

// watchCPUs sees that all CPUs have a buffer that are on line.
func (s *Session) watchCPUs() {
	dead, err := s.slots.get(slotDeadCPUs)
	if err != nil {
		return // Losses says it
	}
	changed := s.cpus.Changed()
	if dead == 0 && !changed {
		return
	}
	if dead != 0 {
		if err := s.slots.set(slotDeadCPUs, 0); err != nil {
			return
		}
	}
	s.cpuErr = s.reader.WatchCPUs(func(cpu int) bool {
		return dead>>(cpu%64)&1 == 1 || !s.cpus.Online(cpu)
	}, s.push)
}

// push puts a record into the queue.
func (s *Session) push(record []byte) error {
	if s.containers != nil {
		s.containers.meet(record)
	}
	s.queue.Push(event.Time(record), record)
	return nil
}
