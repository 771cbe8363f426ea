package summary

import (
	"cmp"
	"slices"

	"opensnoop/internal/event"
)

// counts are opens, those among them that are known to have failed, and how long those took in ns of
// which that is known: together, and the longest.
type counts struct{ opens, failed, took, max uint64 }

func (c *counts) add(other counts) {
	c.opens += other.opens
	c.failed += other.failed
	c.took += other.took
	c.max = max(c.max, other.max)
}

// less is what is left without others. The longest that is left is not known.
func (c counts) less(other counts) counts {
	return counts{c.opens - other.opens, c.failed - other.failed, c.took - other.took, 0}
}

// entry is what is counted for one key.
type entry struct {
	key string
	counts
	atLeast bool // the key may have been dropped before

	// What is shown beside the key, as it was last seen.
	comm      []byte
	container *event.Container

	user string // as it was last looked up
}

// keyMean is how long keys may be on average, in bytes, where there are as many as
// may be.
const keyMean = 512

// tally counts by key. It holds no more than a fixed number of keys: when one more
// comes, those of the fewest opens are dropped until half are left. What all
// counts together are stays exact; that of a key is exact unless it was dropped
// and came again.
type tally struct {
	keys    int // most keys
	entries map[string]*entry
	size    int // of all keys, in bytes
	dropped bool
}

func newTally(keys int) tally {
	return tally{keys: keys, entries: map[string]*entry{}}
}

// get returns the entry of a key.
func (t *tally) get(key []byte) *entry {
	if e := t.entries[string(key)]; e != nil {
		return e
	}
	if len(t.entries) >= t.keys || t.size+len(key) > t.keys*keyMean {
		t.drop()
	}
	e := &entry{key: string(key), atLeast: t.dropped}
	t.entries[e.key] = e
	t.size += len(key)
	return e
}

// drop takes out the entries of the fewest opens until half are left, in number
// and in bytes.
func (t *tally) drop() {
	size, full := 0, false
	for i, e := range t.sorted(ByOpens) {
		full = full || i >= t.keys/2 || size+len(e.key) > t.keys*keyMean/2
		if full {
			delete(t.entries, e.key)
			t.dropped = true
		} else {
			size += len(e.key)
		}
	}
	t.size = size
}

// Order is what rows are sorted by.
type Order int

// The orders. Rows that are equal in one are in the order of their keys.
const (
	ByOpens  Order = iota // the most first
	ByFailed              // the most first
	ByKey
	ByTook // the longest first, all opens together
	byMax  // the longest first
	orders
)

// Orders are the names of all there are, as a user chooses them.
func Orders() []string {
	var names []string
	for o := range orders {
		names = append(names, o.String())
	}
	return names
}

func (o Order) String() string { return [...]string{"opens", "failed", "name", "took", "max"}[o] }

// IsOfTook reports whether it takes knowing how long opens took.
func (o Order) IsOfTook() bool { return o >= ByTook }

// next is the order after one.
func (s *Summary) next() Order {
	if next := (s.o.Order + 1) % orders; s.o.Took || !next.IsOfTook() {
		return next
	}
	return ByOpens
}

// sorted returns the entries in an order.
func (t *tally) sorted(order Order) []*entry {
	all := make([]*entry, 0, len(t.entries))
	for _, e := range t.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *entry) int {
		switch order {
		case ByOpens:
			return cmp.Or(cmp.Compare(b.opens, a.opens), cmp.Compare(a.key, b.key))
		case ByFailed:
			return cmp.Or(cmp.Compare(b.failed, a.failed), cmp.Compare(b.opens, a.opens), cmp.Compare(a.key, b.key))
		case ByTook:
			return cmp.Or(cmp.Compare(b.took, a.took), cmp.Compare(b.opens, a.opens), cmp.Compare(a.key, b.key))
		case byMax:
			return cmp.Or(cmp.Compare(b.max, a.max), cmp.Compare(b.opens, a.opens), cmp.Compare(a.key, b.key))
		}
		return cmp.Compare(a.key, b.key)
	})
	return all
}
