package trace

import "fmt"

// slot is an index into the BPF program's array map of slots, of 8 bytes each: enum slot
// in <opensnoop/slots.h>, which says what they are.
type slot uint32

const (
	slotLostBuffer slot = iota
	slotLostPending
	slotLostCPU
	slotLostEntry
	slotPendingIn
	slotPendingReclaimed
	slotUnfollowed
	slotDeadCPUs
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
	slotRoot
	slotLooking
	slotCount
)

func (s *Session) slot(which slot) (value uint64, err error) {
	if err := s.slots.Lookup(which, &value); err != nil {
		return 0, fmt.Errorf("reading the BPF program's slot %d: %w", which, err)
	}
	return value, nil
}

func (s *Session) setSlot(which slot, value uint64) error {
	if err := s.slots.Put(which, value); err != nil {
		return fmt.Errorf("writing the BPF program's slot %d: %w", which, err)
	}
	return nil
}
