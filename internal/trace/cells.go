package trace

import (
	"slices"
	"sync/atomic"
	"unsafe"
)

// What a cell says in place of whose call it has: CELL_FREE and CELL_BUSY in <opensnoop/call.h>.
const (
	cellFree = 0
	cellBusy = 1
)

// cellCount is how many cells there are, and cellSlice how many of them we look after at a time.
const (
	cellCount = 4096
	cellSlice = cellCount / 16
)

// cells are where calls of threads are pending with results, each at the place of its thread: memory
// that we share with the BPF program, of pendingCalls. The first 8 bytes of each say whose it is.
type cells struct {
	memory []byte
	size   int // of a cell
	next   int // to look after
}

// cells are those behind the slots, whose memory it stays; nil if there are none.
func (s *slots) cells() *cells {
	memory := s.memory[min(8*int(slotCount), len(s.memory)):]
	if len(memory) < cellCount {
		return nil
	}
	return &cells{memory: memory, size: len(memory) / cellCount}
}

// at returns a cell, and where it says whose it is.
func (c *cells) at(i int) (pendingCall, *uint64) {
	cell := c.memory[i*c.size : (i+1)*c.size]
	return cell, (*uint64)(unsafe.Pointer(&cell[0]))
}

// look calls f with the calls in the next n cells. Nil has none.
func (c *cells) look(n int, f func(id uint64, call pendingCall)) {
	if c == nil {
		return
	}
	for range n {
		call, whose := c.at(c.next)
		if id := atomic.LoadUint64(whose); id != cellFree && id != cellBusy {
			f(id, call)
		}
		c.next = (c.next + 1) % cellCount
	}
}

// take takes a call out. Who makes its cell busy has it.
func (c *cells) take(id uint64) (pendingCall, bool) {
	if c == nil {
		return nil, false
	}
	call, whose := c.at(int(id % cellCount))
	if !atomic.CompareAndSwapUint64(whose, id, cellBusy) {
		return nil, false
	}
	call = slices.Clone(call)
	atomic.StoreUint64(whose, cellFree)
	return call, true
}
