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

// pendingTime is how long a call may be pending in the kernel, for its name, before we
// look after it, and how often we look. A page that has to be fetched from a disk
// takes less.
const pendingTime = 100 * time.Millisecond

// resultTime is how long a call whose result is wanted may block before it is
// given out without.
const resultTime = 3 * time.Second

// callState is where a thread is that made a call.
type callState int

const (
	stateUnknown callState = iota // it is running, or we may not look
	stateInCall
	stateGone // it has ended, or is elsewhere
)

// reclaim looks after the calls that are pending for long. If the thread is
// blocked in its call, the name can be read now. If it has left it, the return
// was missed, and the call is given out without its name.
func (s *Session) reclaim() error {
	patience := pendingTime
	if s.fields.Has(event.Result) {
		patience = resultTime
	}
	return s.takePending(func(e *event.Event, id uint64) bool {
		if age := now() - e.Time; age < uint64(pendingTime) {
			return false
		} else if s.stateOf(id, e.Address) == stateGone {
			return true
		} else if age < uint64(patience) {
			return false
		}
		return s.readLate(e, id)
	})
}

// reclaimAll gives out all pending calls, at the end.
func (s *Session) reclaimAll() error {
	return s.takePending(func(e *event.Event, id uint64) bool {
		s.readLate(e, id)
		return true
	})
}

// readLate sets the name of a call that a thread is blocked in; false if it is in
// no such call.
func (s *Session) readLate(e *event.Event, id uint64) bool {
	address := e.Address
	if s.stateOf(id, address) != stateInCall {
		return false
	}
	name, ok := readName(int(id>>32), uintptr(address))
	// The name is that call's only if the thread did not leave it meanwhile.
	if !ok || s.stateOf(id, address) != stateInCall {
		return false
	}
	e.NameKind, e.Name, e.Address = event.NameRead, name, 0
	return true
}

// takePending puts those of the pending calls into the queue for which settle is
// true. Settle gets the call as an event, with the address in place of its name,
// and the kernel's id of the thread; it may change the event.
func (s *Session) takePending(settle func(e *event.Event, id uint64) bool) error {
	if !s.fields.Has(event.Result) { // else they are not counted
		in, err := s.slot(slotPendingIn)
		if err != nil || in == s.reclaimed {
			return err
		}
	}
	var id uint64
	var call []byte
	taken := make(map[uint64][]byte)
	for calls := s.pending.Iterate(); calls.Next(&id, &call); {
		var e event.Event
		if err := e.Decode(call); err != nil {
			return fmt.Errorf("decoding a pending call: %w", err)
		}
		if settle(&e, id) {
			e.Time = now()
			taken[id] = e.Append(nil)
		}
	}
	for id, record := range taken {
		// Who deletes it has it: the kernel may have come to it meanwhile.
		if err := s.pending.Delete(id); errors.Is(err, ebpf.ErrKeyNotExist) {
			continue
		} else if err != nil {
			return fmt.Errorf("taking back pending calls: %w", err)
		}
		s.queue.Push(event.Time(record), record)
		s.reclaimed++
	}
	return s.setSlot(slotPendingReclaimed, s.reclaimed)
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
