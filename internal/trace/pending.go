package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
	"opensnoop/internal/probe"
)

// unreadTime is how long a call may be pending in the kernel for its name, which is in no
// memory yet, before it is emitted without. Fetching a page from a disk takes less;
// whoever made the call can make it take for ever, and nobody else must wait for that.
// UNREAD_TIME in <opensnoop/call.h>.
const unreadTime = 3 * time.Second

// completionTime is how long a request of io_uring may take before it is emitted without
// its result: not every request has a completion.
const completionTime = 3 * time.Second

// pendingTime is how often we look after pending calls.
const pendingTime = 100 * time.Millisecond

// pendingSlice is how many we look after at a time, so that it costs the same however many somebody
// has made pending: all that there can be in 16 times.
const pendingSlice = 512

// Where more than pendingCrowd calls are pending, three quarters of what there is room for, those are
// emitted that are so for longer than crowdTime: others shall have room.
const (
	pendingMax   = 8192
	pendingCrowd = pendingMax * 3 / 4
	crowdTime    = time.Second
)

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

const holderAt = 30 // who a long name is counted for

// shortName is how many bytes of strings are in it; longer ones are elsewhere: those of more than
// longName in a map of their own.
func shortName(fields event.Fields) int {
	if fields.Has(event.Path) {
		return 256
	}
	return 128
}

const longName = 1024

// record is the call's record, less long strings.
func (p pendingCall) record(fields event.Fields) []byte { return p[recordAt(fields):] }

// pending are the calls whose name or result is not known yet: cells and maps that the kernel puts
// them into and takes them out of, too.
type pending struct {
	cells                                      *cells    // nil without
	calls, longNames, longestNames, namesTaken *ebpf.Map // but for the first, nil if no strings are long

	ids    []uint64
	values reflect.Value // of the ids
	cursor ebpf.MapBatchCursor
	passed int // in this pass through the map
	all    int // in the last one

	counted    bool   // whether all that are in the map are: count_pending
	taken      uint64 // of these
	unfinished uint64 // were emitted for others to have room,
	lost       uint64 // or lost, as their results would say whether they are wanted
	hidden     uint64 // lost, as another tracer hid their ends
}

// openPending takes the maps, which stay the module's.
func (s *Session) openPending() (err error) {
	p := &s.pending
	if p.calls, err = s.module.Map("pending"); err != nil {
		return err
	}
	p.cells = s.slots.cells()
	p.counted = !s.plan.Results() || p.cells != nil
	if s.plan.Fields&(event.Result|event.Path|event.Flags) == 0 {
		return nil
	}
	for name, m := range map[string]**ebpf.Map{
		"long_names": &p.longNames, "longest_names": &p.longestNames, "names_taken_out": &p.namesTaken,
	} {
		if *m, err = s.module.Map(name); err != nil {
			return err
		}
	}
	return nil
}

// look calls f with some of the pending calls, the next ones each time, and reports whether they were
// the last ones.
func (p *pending) look(f func(id uint64, call pendingCall)) (end bool, err error) {
	if p.ids == nil {
		value := reflect.ArrayOf(int(p.calls.ValueSize()), reflect.TypeFor[byte]())
		p.ids, p.values = make([]uint64, pendingSlice), reflect.MakeSlice(reflect.SliceOf(value), pendingSlice, pendingSlice)
	}
	n, err := p.calls.BatchLookup(&p.cursor, p.ids, p.values.Interface(), nil)
	switch {
	case errors.Is(err, ebpf.ErrKeyNotExist):
		end, p.cursor = true, ebpf.MapBatchCursor{}
	case err != nil: // as before Linux 5.6
		return true, p.lookAtAll(f)
	}
	for i, id := range p.ids[:n] {
		f(id, p.values.Index(i).Bytes())
	}
	return end, nil
}

// lookAtAll calls f with all pending calls.
func (p *pending) lookAtAll(f func(id uint64, call pendingCall)) error {
	var id uint64
	var call []byte
	calls := p.calls.Iterate()
	for calls.Next(&id, &call) {
		f(id, call)
	}
	if err := calls.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return fmt.Errorf("looking at pending calls: %w", err)
	}
	return nil
}

// takeOut takes a call out of a map. Who takes it has it.
func takeOut(m *ebpf.Map, id uint64) (value []byte, err error) {
	err = m.LookupAndDelete(id, &value)
	if !errors.Is(err, ebpf.ErrNotSupported) {
		return value, err
	}
	if err = m.Lookup(id, &value); err == nil { // before Linux 5.14
		err = m.Delete(id)
	}
	return value, err
}

// take takes a call out, with its long name in its place. It fails with ErrKeyNotExist if the kernel has
// come to it meanwhile. Until the name is out, the kernel keeps no other one of this id.
func (p *pending) take(id uint64, fields event.Fields) (pendingCall, error) {
	call, ok := p.cells.take(id)
	if !ok {
		value, err := takeOut(p.calls, id)
		if err != nil {
			return nil, err
		}
		call = value
		if p.counted || interrupted(id) {
			p.taken++
		}
	}
	short, size := shortName(fields), event.StringsSize(call.record(fields))
	if size <= short {
		return call, nil
	}
	names := p.longNames
	if size > longName {
		names = p.longestNames
	}
	name, err := takeOut(names, id)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return call[:len(call)-short], nil // which makes no sense, and is counted so
	} else if err != nil {
		return nil, err
	}
	var taken uint64
	holder := uint32(binary.NativeEndian.Uint16(call[holderAt:]))
	if err := p.namesTaken.Lookup(holder, &taken); err != nil {
		return nil, err
	}
	return append(call[:len(call)-short], name...), p.namesTaken.Put(holder, taken+1)
}

// expire takes some of the calls whose end will not be seen out of the kernel and emits them
// as far as they are known.
func (s *Session) expire() error {
	var unseen []uint64
	s.pending.cells.look(cellSlice, func(id uint64, _ pendingCall) {
		if s.threadGone(id) { // a call in a cell does not tell when it began
			unseen = append(unseen, id)
		}
	})
	return errors.Join(s.emitAll(unseen, unseenEnd), s.expireMapped())
}

// expireMapped is expire of those in the map.
func (s *Session) expireMapped() error {
	p := &s.pending
	if none, err := s.noneMapped(); none || err != nil {
		return err
	}
	var unseen, crowd []uint64
	excess := max(p.all, p.passed) - pendingCrowd
	end, err := p.look(func(id uint64, call pendingCall) {
		p.passed++
		age := s.age(call)
		switch {
		case s.endUnseen(id, age):
			unseen = append(unseen, id)
		case excess > len(crowd) && age > crowdTime:
			crowd = append(crowd, id)
		}
	})
	given := len(unseen) + len(crowd)
	p.passed, p.all = p.passed-given, max(0, p.all-given)
	if end {
		p.all, p.passed = p.passed, 0
	}
	return errors.Join(err, s.emitAll(unseen, unseenEnd), s.emitAll(crowd, isCrowd))
}

// age is how long a call is pending.
func (s *Session) age(call pendingCall) time.Duration {
	return time.Duration(s.clock.now() - event.Time(call.record(s.plan.Fields)))
}

// expireAll emits all pending calls, at the end.
func (s *Session) expireAll() error {
	var ids []uint64
	add := func(id uint64, _ pendingCall) { ids = append(ids, id) }
	s.pending.cells.look(cellCount, add)
	none, err := s.noneMapped()
	if !none && err == nil {
		err = s.pending.lookAtAll(add)
	}
	return errors.Join(err, s.emitAll(ids, tracingEnds))
}

// noneMapped reports whether it is known, without a look, that no call is in the map.
func (s *Session) noneMapped() (bool, error) {
	if !s.pending.counted {
		return false, nil
	}
	in, err := s.slots.get(slotPendingIn)
	return in == s.pending.taken, err
}

// endUnseen reports whether the end of a call will not be seen, or is not worth to wait for.
func (s *Session) endUnseen(id uint64, age time.Duration) bool {
	switch {
	case !s.plan.Results() && age > unreadTime:
		return true
	case id&requestBit != 0:
		return age > completionTime
	}
	// Nothing limits how long a call takes, and it is in the map only once.
	return age > pendingTime && s.threadGone(id)
}

// threadGone reports whether the thread of a pending call is known to have ended.
func (s *Session) threadGone(id uint64) bool {
	id &^= interruptedBit | execBit
	return !s.plan.ForeignIDs && errors.Is(unix.Tgkill(int(id>>32), int(uint32(id)), 0), unix.ESRCH)
}

// Why a call is emitted that is pending.
type reason int

const (
	unseenEnd reason = iota
	isCrowd          // others shall have room
	tracingEnds
)

// emitAll emits calls.
func (s *Session) emitAll(ids []uint64, why reason) error {
	for _, id := range ids {
		if err := s.emit(id, why); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("taking back pending calls: %w", err)
		}
	}
	return s.slots.set(slotPendingReclaimed, s.pending.taken)
}

// neverMapped reports whether no program has memory at an address: in the first page, which only root
// can map (vm.mmap_min_addr), or in the kernel's half.
func neverMapped(address uint64) bool { return address < 4096 || address>>63 == 1 }

// hidesEnds reports whether another tracer can hide the ends of calls: one that attaches to the same
// functions by trampolines.
func (s *Session) hidesEnds() bool {
	return slices.ContainsFunc(s.plan.Opens, func(h probe.Hook) bool { return h.Kind == probe.Fexit })
}

// emit takes a pending call out of the map and puts it into the queue.
func (s *Session) emit(id uint64, why reason) error {
	p, err := s.pending.take(id, s.plan.Fields)
	if err != nil {
		return err
	}
	if why == isCrowd && s.plan.Filter.ByResult() {
		s.pending.lost++
		return nil
	}
	if why == isCrowd {
		s.pending.unfinished++
	}
	if why == unseenEnd && id&(requestBit|interruptedBit) == 0 && s.plan.Filter.ByResult() && s.hidesEnds() {
		s.pending.hidden++
	}
	var e event.Event
	if !s.decode(&e, p.record(s.plan.Fields)) {
		return nil
	}
	if e.NameKind == event.NameUnseen && neverMapped(e.Address) {
		e.NameKind = event.NameBad
	}
	if interrupted(id) {
		e.Result = -int32(unix.EINTR)
	}
	e.Time = s.clock.now()
	if e.Blocks = why == tracingEnds && e.Blocks && !interrupted(id) && !s.threadGone(id); e.Blocks {
		e.Took = e.Time - e.Took // when it began
	} else {
		e.Took = 0
	}
	s.queue.Push(e.Time, e.Append(nil))
	return nil
}
