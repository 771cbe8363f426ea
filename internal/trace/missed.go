package trace

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

// waitTime is how long a call may wait in the kernel for its name before we look
// after it, and how often we look. A page that has to be fetched from a disk
// takes less.
const waitTime = 100 * time.Millisecond

// call is struct call of the BPF program: a call whose name was not in memory at
// its entry.
type call struct {
	Name uint64 // its address
	Time uint64 // of the entry, in ns
	Comm [event.CommSize]byte
}

// callState is where a thread is that made a call.
type callState int

const (
	stateUnknown callState = iota // it is running, or we may not look
	stateInCall
	stateGone // it has ended, or is elsewhere
)

// reclaim looks after the calls that wait in the kernel for long. If the thread is
// blocked in its call, the name can be read now. If it has left it, the return
// was missed, and the call is given out without its name.
func (s *Session) reclaim() error {
	return s.takeCalls(func(id uint64, c call) (event.Event, bool) {
		if now()-c.Time < uint64(waitTime) {
			return event.Event{}, false
		}
		switch s.stateOf(id, c.Name) {
		case stateInCall:
			name, ok := readName(int(id>>32), uintptr(c.Name))
			if !ok || s.stateOf(id, c.Name) != stateInCall {
				return event.Event{}, false
			}
			return event.Event{NameKind: event.NameRead, Name: name}, true
		case stateGone:
			return event.Event{NameKind: event.NameUnseen}, true
		}
		return event.Event{}, false
	})
}

// reclaimAll gives out all calls that wait, at the end.
func (s *Session) reclaimAll() error {
	return s.takeCalls(func(uint64, call) (event.Event, bool) {
		return event.Event{NameKind: event.NameUnseen}, true
	})
}

// takeCalls puts those of the waiting calls into the queue that resolve gives a
// name, or the lack of one, for.
func (s *Session) takeCalls(resolve func(id uint64, c call) (event.Event, bool)) error {
	waiting, err := s.count(counterWaiting)
	if err != nil || waiting == s.reclaimed {
		return err
	}
	var id uint64
	var c call
	taken := make(map[uint64]event.Event)
	for calls := s.calls.Iterate(); calls.Next(&id, &c); {
		if e, ok := resolve(id, c); ok {
			e.TGID, e.TID = uint32(id>>32), uint32(id)
			e.Comm = bytes.Clone(c.Comm[:])
			e.Address = c.Name
			taken[id] = e
		}
	}
	for id, e := range taken {
		// Who deletes it has it: the kernel may have come to it meanwhile.
		if err := s.calls.Delete(id); errors.Is(err, ebpf.ErrKeyNotExist) {
			continue
		} else if err != nil {
			return fmt.Errorf("taking back calls that wait: %w", err)
		}
		e.Time = now()
		s.queue.Push(e.Time, e.Append(nil))
		s.reclaimed++
	}
	if err := s.counters.Put(counterReclaimed, s.reclaimed); err != nil {
		return fmt.Errorf("taking back calls that wait: %w", err)
	}
	return nil
}

// stateOf tells where a thread is that made a call with the given argument.
func (s *Session) stateOf(id, argument uint64) callState {
	if s.foreignIDs {
		return stateUnknown
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/syscall", id>>32, uint32(id)))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return stateGone
	}
	if err != nil {
		return stateUnknown
	}
	return parseState(string(text), argument)
}

// parseState reads /proc/PID/task/TID/syscall: "257 0xffffff9c 0x7f… …" in a
// system call, with its arguments, "-1 …" outside, and "running".
func parseState(text string, argument uint64) callState {
	fields := strings.Fields(text)
	switch {
	case len(fields) < 2:
		return stateUnknown
	case fields[0] != "-1" && slices.Contains(fields[1:], fmt.Sprintf("%#x", argument)):
		return stateInCall
	}
	return stateGone
}

// readName reads a name in the memory of another process, and brings it into
// memory if it is not there.
func readName(pid int, address uintptr) ([]byte, bool) {
	buf := make([]byte, event.NameMax+1)
	n, err := unix.ProcessVMReadv(pid,
		[]unix.Iovec{{Base: &buf[0], Len: uint64(len(buf))}},
		[]unix.RemoteIovec{{Base: address, Len: len(buf)}}, 0)
	if err != nil {
		return nil, false
	}
	end := bytes.IndexByte(buf[:n], 0)
	switch {
	case end >= 0:
		return buf[:end], true
	case n == len(buf):
		return buf[:event.NameMax], true
	}
	return nil, false
}
