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
// UNREAD_TIME in <opensnoop/call.h>.
const unreadTime = 3 * time.Second

// completionTime is how long a request of io_uring may take before it is given out without
// its result: not every request has a completion.
const completionTime = 3 * time.Second

// pendingTime is how often we look after pending calls.
const pendingTime = 100 * time.Millisecond

// The keys of pending calls are pid_tgids, with these bits in those of others: REQUEST_ID,
// INTERRUPTED_ID and EXEC_ID in <opensnoop/call.h>.
const (
	requestBit     = 1 << 63 // a request of io_uring
	interruptedBit = 1 << 62 // a call that ends with EINTR unless it begins again
	execBit        = 1 << 61 // opened for a program that is executed
)

func interrupted(id uint64) bool { return id&requestBit == 0 && id&interruptedBit != 0 }

// pendingCall is a value of the map of pending calls: struct pending_call in
// <opensnoop/call.h>.
type pendingCall []byte

// recordAt is where the record is in it.
func recordAt(fields event.Fields) int {
	if fields.Has(event.Path) {
		return 64
	}
	return 32
}

// shortName is how many bytes of strings are in it; longer ones are elsewhere.
func shortName(fields event.Fields) int {
	if fields.Has(event.Path) {
		return 256
	}
	return 128
}

// record is the call's record, less long strings.
func (p pendingCall) record(fields event.Fields) []byte { return p[recordAt(fields):] }

// reclaim takes the calls whose end will not be seen out of the kernel and gives them out
// as far as they are known.
func (s *Session) reclaim() error {
	return s.takePending(false, func(age time.Duration, id uint64) bool {
		switch {
		case !s.plan.Results():
			return age > unreadTime || age > pendingTime && s.threadGone(id)
		case id&requestBit != 0:
			return age > completionTime
		}
		// Nothing limits how long a call takes, and it is in the map only once.
		return age > pendingTime && s.threadGone(id)
	})
}

// reclaimAll gives out all pending calls, at the end.
func (s *Session) reclaimAll() error {
	return s.takePending(true, func(time.Duration, uint64) bool { return true })
}

// threadGone reports whether the thread of a pending call is known to have ended.
func (s *Session) threadGone(id uint64) bool {
	id &^= interruptedBit | execBit
	return !s.plan.ForeignIDs && errors.Is(unix.Tgkill(int(id>>32), int(uint32(id)), 0), unix.ESRCH)
}

// takePending puts those of the pending calls into the queue for which take is true. It
// gets how long the call has been pending, and the kernel's id of the thread or request. atEnd is
// whether they are pending because tracing ends.
func (s *Session) takePending(atEnd bool, take func(age time.Duration, id uint64) bool) error {
	if !s.plan.Results() { // else they are not counted
		in, err := s.slots.get(slotPendingIn)
		if err != nil || in == s.reclaimed {
			return err
		}
	}
	var id uint64
	var call []byte
	taken := make(map[uint64]pendingCall)
	for calls := s.pending.Iterate(); calls.Next(&id, &call); {
		p := pendingCall(call)
		if take(time.Duration(s.clock.now()-event.Time(p.record(s.plan.Fields))), id) {
			taken[id] = slices.Clone(p)
		}
	}
	for id, p := range taken {
		if err := s.give(id, p, atEnd); err != nil {
			return fmt.Errorf("taking back pending calls: %w", err)
		}
	}
	return s.slots.set(slotPendingReclaimed, s.reclaimed)
}

// nobodys reports whether no program has memory at an address: in the first page, which only root
// can map (vm.mmap_min_addr), or in the kernel's half.
func nobodys(address uint64) bool { return address < 4096 || address>>63 == 1 }

// give takes a pending call out of the map and puts it into the queue.
func (s *Session) give(id uint64, p pendingCall, atEnd bool) error {
	record := p.record(s.plan.Fields)
	short, size := shortName(s.plan.Fields), event.StringsSize(record)
	fixed := len(record) - short
	if size > short {
		// Before the call is out: another one with its id may follow at once.
		var name []byte
		if err := s.longNames.Lookup(id, &name); errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil // the kernel has come to it meanwhile
		} else if err != nil {
			return err
		}
		record = append(record[:fixed:fixed], name...)
	}
	// Who deletes it has it.
	if err := s.pending.Delete(id); errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if size > short {
		// If it is already the next call's, that one shows without its name.
		if err := s.longNames.Delete(id); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
	}
	if !s.plan.Results() || interrupted(id) {
		s.reclaimed++ // what count_pending counts
	}
	var e event.Event
	if !s.decode(&e, record) {
		return nil
	}
	if e.NameKind == event.NameUnseen && nobodys(e.Address) {
		e.NameKind = event.NameBad
	}
	if interrupted(id) {
		e.Result = -int32(unix.EINTR)
	}
	e.Time = s.clock.now()
	if e.Blocks = atEnd && e.Blocks && !interrupted(id) && !s.threadGone(id); e.Blocks {
		e.Took = e.Time - e.Took // when it began
	} else {
		e.Took = 0
	}
	s.queue.Push(e.Time, e.Append(nil))
	return nil
}
