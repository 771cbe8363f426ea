package perfbuf

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// recordSize is that of a record of default columns, with a name of 30 bytes or so.
const recordSize = 80

// stream fills the ring of a CPU with so many records, the n-th of which is of the time that a
// flood on all of so many CPUs would give it.
func stream(cpu, cpus, records int) *ring {
	size := 4096
	for size < records*(headerSize+rawSize+recordSize) {
		size *= 2
	}
	words := make([]uint64, (metaSize+size)/8) // aligned
	r := newRing(cpu, -1, unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words)), metaSize)
	at := 0
	for n := range records {
		sample := make([]byte, recordSize)
		binary.NativeEndian.PutUint64(sample, uint64(n*cpus+cpu))
		body := append(binary.NativeEndian.AppendUint32(nil, recordSize), sample...)
		at += copy(r.data[at:], record(unix.PERF_RECORD_SAMPLE, body...))
	}
	r.meta.Data_head = uint64(at)
	return r
}

// What a round costs that reads the rings of so many CPUs and puts what is in them in order: one
// that finds a flood on all of them, and one that finds nothing.
func BenchmarkRound(b *testing.B) {
	const flood = 1 << 16 // records in all
	for _, cpus := range []int{2, 8, 64, 256} {
		for name, records := range map[string]int{"flood": flood / cpus, "quiet": 0} {
			b.Run(fmt.Sprintf("%d CPUs/%s", cpus, name), func(b *testing.B) {
				r := &Reader{rings: make(map[int]*ring)}
				for cpu := range cpus {
					r.rings[cpu] = stream(cpu, cpus, records)
				}
				var q Queue
				out := 0
				for b.Loop() {
					for _, ring := range r.rings {
						ring.meta.Data_tail = 0
					}
					if err := r.Read(func(sample []byte) error {
						q.Push(binary.NativeEndian.Uint64(sample), sample)
						return nil
					}); err != nil {
						b.Fatal(err)
					}
					if err := q.Release(math.MaxUint64, func(uint64, []byte) error { out++; return nil }); err != nil {
						b.Fatal(err)
					}
				}
				if out != b.N*records*cpus {
					b.Fatalf("%d records of %d", out, b.N*records*cpus)
				}
				if out > 0 {
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(out), "ns/record")
				}
			})
		}
	}
}
