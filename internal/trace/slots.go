package trace

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// slot is an index into the BPF program's array map of slots, of 8 bytes each: enum slot
// in <opensnoop/slots.h>, which says what they are.
type slot uint32

const (
	slotLostBuffer slot = iota
	slotLostPending
	slotLostName
	slotLostCPU
	slotLostEntry
	slotLostForked
	slotLostEnd
	slotPendingIn
	slotPendingReclaimed
	slotUnfinishedPending
	slotUnfinishedName
	slotUnfinishedForked
	slotUnfollowed
	slotDeadCPUs
	slotReturnWanted
	slotSelfSeen
	slotSelfTime
	slotTopMount
	slotTopDentry
	slotTopMountpoint
	slotTopRoot
	slotTopNS
	slotSelf
	slotHooked
	slotPID
	slotRenameLock
	slotMountLock
	slotFollowPID
	slotLooking
	slotGateShut
	slotCount
)

// noPID is what slotPID has when the process has ended.
const noPID = ^uint64(0)

// slots is that map: what the program counts and what it is told. Since Linux 5.5 it is memory
// that the two share.
type slots struct {
	array  *ebpf.Map
	memory []byte // nil before
}

// openSlots takes the map, which stays its owner's.
func openSlots(array *ebpf.Map) (*slots, error) {
	s := &slots{array: array}
	if array.Flags()&unix.BPF_F_MMAPABLE == 0 {
		return s, nil
	}
	var err error
	s.memory, err = unix.Mmap(array.FD(), 0, int(array.ValueSize()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping the BPF program's slots: %w", err)
	}
	return s, nil
}

// at is where a slot is in memory.
func (s *slots) at(which slot) *uint64 {
	return (*uint64)(unsafe.Pointer(&s.memory[8*which]))
}

func (s *slots) get(which slot) (value uint64, err error) {
	if s.memory != nil {
		return atomic.LoadUint64(s.at(which)), nil
	}
	if err := s.array.Lookup(which, &value); err != nil {
		return 0, fmt.Errorf("reading the BPF program's slot %d: %w", which, err)
	}
	return value, nil
}

func (s *slots) set(which slot, value uint64) error {
	if s.memory != nil {
		atomic.StoreUint64(s.at(which), value)
		return nil
	}
	if err := s.array.Put(which, value); err != nil {
		return fmt.Errorf("writing the BPF program's slot %d: %w", which, err)
	}
	return nil
}

// close gives the memory back.
func (s *slots) close() error {
	if s == nil || s.memory == nil {
		return nil
	}
	memory := s.memory
	s.memory = nil
	if err := unix.Munmap(memory); err != nil {
		return fmt.Errorf("giving back the BPF program's slots: %w", err)
	}
	return nil
}
