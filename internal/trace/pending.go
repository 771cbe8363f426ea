package trace

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

// unreadTime is how long a call may be pending in the kernel for its name, which is in no
// memory yet, before it is given out without. Fetching a page from a disk takes less;
// whoever made the call can make it take for ever, and nobody else must wait for that.
const unreadTime = 3 * time.Second

// completionTime is how long a request of io_uring may take before it is given out without
// its result: not every request has a completion.
const completionTime = 3 * time.Second

// pendingTime is how often we look after pending calls.
const pendingTime = 100 * time.Millisecond

// requestID is set in the key of a pending request of io_uring (REQUEST_ID in
// <opensnoop/io_uring.h>).
const requestID = 1 << 63

// interruptedID is set in the key of a call that a signal has interrupted, and that ends
// with EINTR unless it begins again (INTERRUPTED_ID in <opensnoop/pending.h>).
const interruptedID = 1 << 62

// pendingCall is a value of the map of pending calls: struct pending_call in
// <opensnoop/pending.h>.
type pendingCall []byte

const (
	recordAt  = 24  // the record; the rest is its name's
	shortName = 128 // bytes of a name that are in it; a longer one is elsewhere
)

// record is the call's record, less a long name.
func (p pendingCall) record() []byte { return p[recordAt:] }

// hasLongName reports whether the name is elsewhere.
func (p pendingCall) hasLongName() bool { return event.NameLen(p.record()) > shortName }

// reclaim takes the calls whose end will not be seen out of the kernel and gives them out
// as far as they are known.
func (s *Session) reclaim() error {
	return s.takePending(func(age time.Duration, id uint64) bool {
		switch {
		case !s.fields.Has(event.Result):
			return age > unreadTime
		case id&requestID != 0:
			return age > completionTime
		}
		// Nothing limits how long a call takes, and it is in the map only once.
		return age > pendingTime && !s.foreignIDs && threadGone(id&^interruptedID)
	})
}

// reclaimAll gives out all pending calls, at the end.
func (s *Session) reclaimAll() error {
	return s.takePending(func(time.Duration, uint64) bool { return true })
}

// threadGone reports whether a thread has ended.
func threadGone(id uint64) bool {
	return errors.Is(unix.Tgkill(int(id>>32), int(uint32(id)), 0), unix.ESRCH)
}

// takePending puts those of the pending calls into the queue for which take is true. It
// gets how long the call has been pending, and the kernel's id of the thread or request.
func (s *Session) takePending(take func(age time.Duration, id uint64) bool) error {
	if !s.fields.Has(event.Result) { // else they are not counted
		in, err := s.slot(slotPendingIn)
		if err != nil || in == s.reclaimed {
			return err
		}
	}
	var id uint64
	var call []byte
	taken := make(map[uint64]pendingCall)
	for calls := s.pending.Iterate(); calls.Next(&id, &call); {
		p := pendingCall(call)
		if take(time.Duration(s.clock.now()-event.Time(p.record())), id) {
			taken[id] = slices.Clone(p)
		}
	}
	for id, p := range taken {
		if err := s.give(id, p); err != nil {
			return fmt.Errorf("taking back pending calls: %w", err)
		}
	}
	return s.setSlot(slotPendingReclaimed, s.reclaimed)
}

// give takes a pending call out of the map and puts it into the queue.
func (s *Session) give(id uint64, p pendingCall) error {
	// Who deletes it has it: the kernel may have come to it meanwhile.
	if err := s.pending.Delete(id); errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if !s.fields.Has(event.Result) || id&interruptedID != 0 {
		s.reclaimed++ // what count_pending counts
	}
	record := p.record()
	if p.hasLongName() {
		var name []byte
		// To do both at once takes Linux 5.14.
		if err := errors.Join(s.longNames.Lookup(id, &name), s.longNames.Delete(id)); err != nil {
			return err
		}
		record = append(record[:len(record)-shortName:len(record)-shortName], name...)
	}
	var e event.Event
	if err := e.Decode(record); err != nil {
		return err
	}
	if id&interruptedID != 0 {
		e.Result = -int32(unix.EINTR)
	}
	e.Time = s.clock.now()
	s.queue.Push(e.Time, e.Append(nil))
	return nil
}
