package trace

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
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

// openCells takes the map, which stays its owner's.
func openCells(array *ebpf.Map) (*cells, error) {
	c := &cells{size: int(array.ValueSize())}
	pages := (cellCount*c.size + os.Getpagesize() - 1) / os.Getpagesize()
	var err error
	c.memory, err = unix.Mmap(array.FD(), 0, pages*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping the BPF program's pending calls: %w", err)
	}
	return c, nil
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

// close gives the memory back.
func (c *cells) close() error {
	if c == nil || c.memory == nil {
		return nil
	}
	memory := c.memory
	c.memory = nil
	if err := unix.Munmap(memory); err != nil {
		return fmt.Errorf("giving back the BPF program's pending calls: %w", err)
	}
	return nil
}
