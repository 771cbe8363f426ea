package perfbuf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// released returns what a Release gives out, as "time:record".
func released(t *testing.T, q *Queue, horizon uint64) []string {
	t.Helper()
	var got []string
	err := q.Release(horizon, func(time uint64, record []byte) error {
		got = append(got, fmt.Sprintf("%d:%s", time, record))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// What is not taken yet stays, in its order, and so does what is behind it.
func TestLater(t *testing.T) {
	var q Queue
	for time := uint64(1); time < 6; time++ {
		q.Push(6-time, fmt.Append(nil, 6-time))
	}
	var got []string
	for _, from := range []uint64{3, 3, 0} {
		err := q.Release(math.MaxUint64, func(time uint64, record []byte) error {
			if time == from {
				return ErrLater
			}
			got = append(got, string(record))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if from != 0 && (q.Len() != 3 || q.Size() != 3) {
			t.Errorf("%d records of %d bytes are held, want 3", q.Len(), q.Size())
		}
	}
	if want := "1 2 3 4 5"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRelease(t *testing.T) {
	type record struct {
		time uint64
		text string
	}
	type round struct {
		push    []record
		horizon uint64
		want    string // what Release gives out
		held    int    // after it
	}
	tests := map[string][]round{
		"nothing": {{nil, math.MaxUint64, "", 0}},
		"sorted by time": {
			{[]record{{3, "c"}, {1, "a"}, {2, "b"}}, 10, "1:a 2:b 3:c", 0},
		},
		"the horizon itself waits": {
			{[]record{{5, "b"}, {4, "a"}, {6, "c"}}, 5, "4:a", 2},
			{nil, 5, "", 2},
			{nil, 6, "5:b", 1},
			{nil, 7, "6:c", 0},
		},
		"held records join later ones": {
			{[]record{{1, "a"}, {9, "long record"}, {5, "c"}}, 2, "1:a", 2},
			{[]record{{7, "e"}, {3, ""}}, 8, "3: 5:c 7:e", 1},
			{[]record{{8, "f"}}, math.MaxUint64, "8:f 9:long record", 0},
		},
		"one too late gets the time before": {
			{[]record{{5, "a"}}, 10, "5:a", 0},
			{[]record{{3, "late"}, {4, "late too"}, {6, "b"}}, 10, "5:late 5:late too 6:b", 0},
		},
		"the ends of time": {
			{[]record{{math.MaxUint64, "never"}, {0, "zero"}}, 0, "", 2},
			{nil, math.MaxUint64, "0:zero", 1},
		},
	}
	for name, rounds := range tests {
		t.Run(name, func(t *testing.T) {
			var q Queue
			for i, r := range rounds {
				for _, rec := range r.push {
					buf := []byte(rec.text)
					q.Push(rec.time, buf)
					clear(buf) // the queue has its own copy
				}
				if got := strings.Join(released(t, &q, r.horizon), " "); got != r.want {
					t.Errorf("round %d: got %q, want %q", i, got, r.want)
				}
				if q.Len() != r.held {
					t.Errorf("round %d: %d held, want %d", i, q.Len(), r.held)
				}
			}
		})
	}
}

// Many, because sorting a few keeps the order of equals anyway.
func TestEqualTimesStayAsTheyCame(t *testing.T) {
	var q Queue
	var want []string
	for i := range 1000 {
		q.Push(uint64(i%2), fmt.Append(nil, i))
	}
	for i := range 1000 {
		time := i / 500
		want = append(want, fmt.Sprintf("%d:%d", time, i%500*2+time))
	}
	if got := released(t, &q, 2); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestReleaseEndsWithTheError(t *testing.T) {
	var q Queue
	for time := range uint64(5) {
		q.Push(time, []byte("x"))
	}
	enough := errors.New("enough")
	given := 0
	err := q.Release(4, func(uint64, []byte) error {
		if given++; given == 2 {
			return enough
		}
		return nil
	})
	if err != enough || given != 2 || q.Len() != 0 {
		t.Errorf("error %v after %d records, %d held", err, given, q.Len())
	}
	q.Push(9, []byte("y"))
	if got := released(t, &q, 10); !slices.Equal(got, []string{"9:y"}) {
		t.Errorf("afterwards got %q", got)
	}
}

// FuzzOrder plays CPUs that submit records, each in its own order, to a reader
// that goes round their buffers as trace.Session does: any play must come out in
// order, with nothing lost and nothing twice.
//
// Each byte of the play is a step: its lower bits choose who acts.
func FuzzOrder(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7})
	f.Add([]byte{0, 0, 4, 0, 1, 5, 1, 4, 6, 7, 2, 2, 5, 4, 7, 3, 6})
	random := rand.New(rand.NewPCG(1, 2))
	for range 4 {
		play := make([]byte, 200)
		for i := range play {
			play[i] = byte(random.Uint32())
		}
		f.Add(play)
	}
	f.Fuzz(func(t *testing.T, play []byte) {
		const cpus = 4
		var (
			q         Queue
			buffers   [cpus][]uint64 // submitted, not yet read
			clock     uint64
			submitted int
			out       []uint64
			horizon   uint64 // when this round began
			read      [cpus]bool
		)
		record := func(time uint64) []byte {
			// Of a length of its own, and telling its time all through.
			return binary.BigEndian.AppendUint64(make([]byte, time%5), time)
		}
		give := func(time uint64, rec []byte) error {
			if want := record(time); !slices.Equal(rec, want) {
				t.Fatalf("the record at %d is % x, want % x", time, rec, want)
			}
			out = append(out, time)
			return nil
		}
		for _, step := range play {
			cpu := step % cpus
			if step&cpus == 0 { // a record is submitted
				clock++
				buffers[cpu] = append(buffers[cpu], clock)
				submitted++
				continue
			}
			// The buffer is read, or a part of what it holds by now. The round is
			// over when all have been read to what they held at its beginning.
			n := len(buffers[cpu])
			if step&64 != 0 {
				n -= n / 2
			}
			for _, time := range buffers[cpu][:n] {
				q.Push(time, record(time))
			}
			buffers[cpu] = buffers[cpu][n:]
			read[cpu] = len(buffers[cpu]) == 0 || buffers[cpu][0] >= horizon
			if slices.Contains(read[:], false) {
				continue
			}
			if err := q.Release(horizon, give); err != nil {
				t.Fatal(err)
			}
			if held := submitted - len(out); q.Len() > held {
				t.Fatalf("%d records held, of %d not given out", q.Len(), held)
			}
			clear(read[:])
			clock++
			horizon = clock
		}
		for cpu := range buffers {
			for _, time := range buffers[cpu] {
				q.Push(time, record(time))
			}
		}
		if err := q.Release(math.MaxUint64, give); err != nil {
			t.Fatal(err)
		}
		if len(out) != submitted || q.Len() != 0 {
			t.Fatalf("%d records submitted, %d given out, %d held", submitted, len(out), q.Len())
		}
		for i := 1; i < len(out); i++ {
			if out[i] <= out[i-1] {
				t.Fatalf("%d given out after %d", out[i], out[i-1])
			}
		}
	})
}

const perRound = 1000

// round pushes and releases as many records as a flood brings in a round; a tenth
// stays for the next.
func round(q *Queue, clock *uint64, record []byte, give func(uint64, []byte) error) error {
	begin := *clock
	for i := range uint64(perRound) {
		q.Push(begin+i^3, record) // not quite in order
	}
	*clock = begin + perRound
	return q.Release(begin+perRound*9/10, give)
}

func TestQueueDoesNotAllocate(t *testing.T) {
	var q Queue
	var clock uint64
	record := make([]byte, 64)
	give := func(uint64, []byte) error { return nil }
	play := func() {
		if err := round(&q, &clock, record, give); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 { // until it has grown
		play()
	}
	if n := testing.AllocsPerRun(100, play); n != 0 {
		t.Errorf("%v allocations in a round", n)
	}
}

// Each event is pushed and given out, in rounds; the figures are of one event.
func BenchmarkQueue(b *testing.B) {
	var q Queue
	var clock uint64
	record := make([]byte, 64)
	give := func(uint64, []byte) error { return nil }
	b.ReportAllocs()
	for range b.N/perRound + 1 {
		if err := round(&q, &clock, record, give); err != nil {
			b.Fatal(err)
		}
	}
}

func TestShrink(t *testing.T) {
	var q Queue
	all := func(uint64, []byte) error { return nil }
	if q.Shrink() {
		t.Error("an empty queue has shrunk")
	}
	record := make([]byte, chunkSize)
	q.Push(1, record)
	q.Push(2, record)
	for range 2 {
		if q.Shrink() || q.Len() != 2 {
			t.Error("a queue with records has shrunk")
		}
	}
	if err := q.Release(3, all); err != nil {
		t.Fatal(err)
	}
	q.Push(3, record[:1])
	if err := q.Release(4, all); err != nil {
		t.Fatal(err)
	}
	if q.Shrink() {
		t.Error("a queue in use has shrunk")
	}
	for _, want := range []bool{true, false} {
		if got := q.Shrink(); got != want {
			t.Errorf("an idle queue has shrunk: %v, want %v", got, want)
		}
	}
	q.Push(5, []byte("x"))
	var got []byte
	if err := q.Release(6, func(_ uint64, r []byte) error { got = append(got, r...); return nil }); err != nil || string(got) != "x" {
		t.Errorf("after that it gives %q, error %v", got, err)
	}
}
