package trace

import (
	"sync"
	"sync/atomic"
	"testing"

	"opensnoop/internal/event"
	"opensnoop/internal/plan"
)

// Of those who take a call out of a cell one gets it, whole, and the others nothing.
func TestCellsAreTakenOnce(t *testing.T) {
	c := &cells{memory: make([]byte, cellCount*64), size: 64}
	const id = 7<<32 | 7
	call, whose := c.at(id % cellCount)
	if _, ok := c.take(id); ok {
		t.Fatal("a free cell was taken")
	}
	for range 1000 {
		call[63]++
		atomic.StoreUint64(whose, id)
		var taken atomic.Int32
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if got, ok := c.take(id); ok {
					taken.Add(1)
					if got[63] != call[63] {
						t.Errorf("took %d, want %d", got[63], call[63])
					}
				}
			})
		}
		all.Wait()
		if n := taken.Load(); n != 1 || atomic.LoadUint64(whose) != cellFree {
			t.Fatalf("taken %d times, the cell says %d", n, *whose)
		}
	}
	atomic.StoreUint64(whose, cellBusy)
	c.look(cellCount, func(id uint64, _ pendingCall) { t.Errorf("a cell that is busy has the call %d", id) })
	if _, ok := c.take(cellCount + id); ok {
		t.Error("a call was taken that is not there")
	}
}

// The call of a thread that is gone is emitted of its cell within 16 rounds, that of one that is there
// at the end.
func TestCallsInCellsOfGoneThreads(t *testing.T) {
	record := (&event.Event{Fields: event.Result, Result: event.ResultUnknown, Comm: []byte("a"), Name: []byte("/name")}).Append(make([]byte, recordAt(event.Result)))
	size := len(record) - len("/name") + shortName(event.Result)
	s := &Session{plan: &plan.Plan{Fields: event.Result}, slots: &slots{memory: make([]byte, 4096)}}
	s.pending.cells, s.pending.counted = &cells{memory: make([]byte, cellCount*size), size: size}, true
	put := func(id uint64) {
		call, whose := s.pending.cells.at(int(id % cellCount))
		copy(call, record)
		*whose = id
	}
	const gone = 1 << 22 // PID_MAX_LIMIT
	put(gone<<32 | gone)
	put(1<<32 | 1) // the first process
	for range cellCount / cellSlice {
		if err := s.expire(); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.queue.Len(); n != 1 {
		t.Errorf("%d calls were emitted, want that of the thread that is gone", n)
	}
	if err := s.expireAll(); err != nil || s.queue.Len() != 2 {
		t.Errorf("%d were at the end, %v", s.queue.Len(), err)
	}
}
