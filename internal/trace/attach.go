package trace

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"

	"opensnoop/internal/probe"
)

// attachKprobes attaches the return first, so that no call that enters waits for
// a return that nothing sees.
func (s *Session) attachKprobes(version uint32, atReturn bool) error {
	symbol := probe.OpenSymbol(version)
	if atReturn {
		if err := s.module.AttachRawTracepoint("sys_exit", "syscall_exit"); err != nil {
			return err
		}
		s.also = append(s.also, "raw tracepoint sys_exit")
		if err := s.attachRenamed(&symbol, "open_enter", s.module.AttachKprobe); err != nil {
			return err
		}
		s.hook = "kprobe on " + symbol
		return nil
	}
	if err := s.attachRenamed(&symbol, "open_return", s.module.AttachKretprobe); err != nil {
		return err
	}
	s.hook = "kprobe on " + symbol
	// Best effort: without it a name that is not in memory at entry is read at the
	// return, which the kernel may skip when many calls are blocked.
	if err := s.module.AttachKprobe("do_filp_open", "open_named"); err == nil {
		s.also = append(s.also, "kprobe on do_filp_open")
	}
	return s.module.AttachKprobe(symbol, "open_enter")
}

// attachRenamed attaches a program to a function that a compiler may have renamed,
// and changes symbol to what it is called. Most kernels have the plain name: their
// large table of symbols, slow to read, is looked at only where that is not so.
func (s *Session) attachRenamed(symbol *string, program string, attach func(symbol, program string) error) error {
	err := attach(*symbol, program)
	if err == nil {
		return nil
	}
	renamed, findErr := findSymbol(*symbol)
	if findErr != nil {
		return errors.Join(err, findErr)
	}
	if renamed == *symbol {
		return err
	}
	*symbol = renamed
	return attach(renamed, program)
}

func findSymbol(name string) (string, error) {
	kallsyms, err := os.Open("/proc/kallsyms")
	if err != nil {
		return "", fmt.Errorf("reading the kernel's symbols: %w", err)
	}
	defer kallsyms.Close()
	return probe.FindSymbol(kallsyms, name)
}

func (s *Session) attachTracepoints() error {
	s.hook = "raw tracepoints sys_enter and sys_exit"
	if err := s.module.AttachRawTracepoint("sys_exit", "syscall_exit"); err != nil {
		return err
	}
	return s.module.AttachRawTracepoint("sys_enter", "syscall_enter")
}

// attachIOUring hooks the opens that come through io_uring. It is best effort: a
// kernel may have none, and before 6.0 its tracepoint has other arguments.
func (s *Session) attachIOUring(version uint32) {
	var err error
	if s.failed {
		err = errors.New("their results are not seen, and only failed opens are asked for")
	} else if version < 6<<16 {
		err = errors.New("the kernel is older than 6.0")
	} else if err = s.module.Load("uring_submit", ebpf.RawTracepoint); err == nil {
		for _, tracepoint := range []string{"io_uring_submit_req", "io_uring_submit_sqe"} {
			if err = s.module.AttachRawTracepoint(tracepoint, "uring_submit"); err == nil {
				s.also = append(s.also, "raw tracepoint "+tracepoint)
				return
			}
		}
	}
	s.unseen = append(s.unseen, fmt.Sprintf("opens through io_uring: %v", err))
}
