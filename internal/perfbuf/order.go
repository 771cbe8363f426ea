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
	items []item
	bytes []byte // of all items
	spare []byte
	last  uint64
	used  bool // since the last Shrink
}

type item struct {
	time       uint64
	start, end int // in bytes
}

// Push adds a copy of a record of the given time.
func (q *Queue) Push(time uint64, record []byte) {
	start := len(q.bytes)
	q.bytes = append(q.bytes, record...)
	q.items = append(q.items, item{time, start, len(q.bytes)})
	q.used = true
}

// shrinkSize is how many bytes an unused queue may hold.
const shrinkSize = 64 << 10

// Shrink gives up the memory of a queue that a flood has made large, if nothing came
// since Shrink was called last, and reports whether it has.
func (q *Queue) Shrink() bool {
	idle := !q.used && len(q.items) == 0
	q.used = false
	if !idle || cap(q.bytes)+cap(q.spare) <= shrinkSize {
		return false
	}
	q.items, q.bytes, q.spare = nil, nil, nil
	return true
}

// Len is the number of records held.
func (q *Queue) Len() int { return len(q.items) }

// Size is the number of bytes of the records held.
func (q *Queue) Size() int { return len(q.bytes) }

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
		err := give(q.last, q.bytes[i.start:i.end])
		if err == ErrLater {
			n = at
			break
		}
		if err != nil {
			q.items, q.bytes = q.items[:0], q.bytes[:0]
			return err
		}
	}
	q.keep(q.items[n:])
	return nil
}

// keep makes the given items the only ones.
func (q *Queue) keep(rest []item) {
	kept := q.spare[:0]
	for i := range rest {
		start := len(kept)
		kept = append(kept, q.bytes[rest[i].start:rest[i].end]...)
		q.items[i] = item{rest[i].time, start, len(kept)}
	}
	q.items = q.items[:len(rest)]
	q.bytes, q.spare = kept, q.bytes
}
