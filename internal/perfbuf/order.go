package perfbuf

import (
	"cmp"
	"errors"
	"slices"
)

// Queue holds records until all that came before them are known. The zero value
// is ready to use. It allocates only while it grows.
//
// Each CPU's buffer is in order by itself. After all of them have been read
// once, what was submitted before that reading began is complete: the time at
// which it began is the horizon, and Release gives out what is older.
type Queue struct {
	items  []item
	chunks [][]byte // what they hold; only the last one has room
	before [][]byte // for keep
	free   [][]byte
	size   int // bytes of all items
	last   uint64
	used   bool // since the last Shrink
}

// chunkSize is more than the largest sample, which has its size in 16 bits (struct
// perf_event_header). In pieces, a queue takes no more memory while it grows than it has in use.
const chunkSize = 64 << 10

type item struct {
	time  uint64
	start int // in all chunks together
	size  int
}

// Push adds a copy of a record of the given time.
func (q *Queue) Push(time uint64, record []byte) {
	q.items = append(q.items, item{time, q.add(record), len(record)})
	q.used = true
}

// add copies a record into the chunks, and returns where it starts there.
func (q *Queue) add(record []byte) int {
	at := len(q.chunks) - 1
	if at < 0 || len(q.chunks[at])+len(record) > chunkSize {
		var fresh []byte
		if n := len(q.free); n > 0 {
			fresh, q.free = q.free[n-1], q.free[:n-1]
		} else {
			fresh = make([]byte, 0, chunkSize)
		}
		q.chunks = append(q.chunks, fresh)
		at++
	}
	start := at*chunkSize + len(q.chunks[at])
	q.chunks[at] = append(q.chunks[at], record...)
	q.size += len(record)
	return start
}

// record returns what an item of some chunks holds.
func (i item) record(chunks [][]byte) []byte {
	at := i.start % chunkSize
	return chunks[i.start/chunkSize][at : at+i.size]
}

// Shrink gives up the memory of a queue that a flood has made large, if nothing came
// since Shrink was called last, and reports whether it has.
func (q *Queue) Shrink() bool {
	idle := !q.used && len(q.items) == 0
	q.used = false
	if !idle || len(q.free) <= 1 {
		return false
	}
	q.items, q.chunks, q.before, q.free = nil, nil, nil, nil
	return true
}

// Len is the number of records held.
func (q *Queue) Len() int { return len(q.items) }

// Size is the number of bytes of the records held.
func (q *Queue) Size() int { return q.size }

// ErrLater is what a record is answered with that cannot be taken yet.
var ErrLater = errors.New("not yet")

// Release gives out, in order of time, the records older than horizon. A record
// is valid during the call only. Times never decrease: a record that comes too
// late to be put in its place, because its CPU was held up between taking the
// time and submitting it, is given out with the time of the one before it.
//
// An error of give ends it and is returned; the rest of the records is dropped. [ErrLater] ends it
// too, but is no error: that record and those behind it are given out the next time.
func (q *Queue) Release(horizon uint64, give func(time uint64, record []byte) error) error {
	slices.SortFunc(q.items, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.start, b.start))
	})
	n, _ := slices.BinarySearchFunc(q.items, horizon, func(i item, t uint64) int { return cmp.Compare(i.time, t) })
	for at, i := range q.items[:n] {
		q.last = max(q.last, i.time)
		err := give(q.last, i.record(q.chunks))
		if err == ErrLater {
			n = at
			break
		}
		if err != nil {
			q.keep(nil)
			return err
		}
	}
	q.keep(q.items[n:])
	return nil
}

// keep makes the given items the only ones.
func (q *Queue) keep(rest []item) {
	before := q.chunks
	q.chunks, q.size = q.before[:0], 0
	for n, i := range rest {
		q.items[n] = item{i.time, q.add(i.record(before)), i.size}
	}
	q.items = q.items[:len(rest)]
	for _, chunk := range before {
		q.free = append(q.free, chunk[:0])
	}
	q.before = before
}
