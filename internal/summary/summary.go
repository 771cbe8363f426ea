// Package summary counts opens by what they are of, in place of a row for each: by file, by process
// and so on.
//
// Its memory is bounded: it holds a fixed number of each, and drops those of the fewest opens
// for new ones. The opens that are in no row shown
// are counted all the same, exactly: those in the rows and the others are all opens
// added. The count of a row is exact too, unless its file or process may have been
// dropped before; then it is marked as the least that it can be.
package summary

import (
	"opensnoop/internal/event"
	"opensnoop/internal/format"
)

// Options are what to count and show. The zero value is ready to use.
type Options struct {
	Top     int   // rows of each table; 10 if 0
	By      []*By // what to count by; Usual if there is none
	Order   Order
	Keys    int  // files, and processes and so on, held at a time; DefaultKeys if 0
	Results bool // whether the events have results: shows what failed
	Took    bool // whether they tell how long they took: shows that, and the longest
	Color   bool // dims headers and makes counts of failed opens red
}

// usualTop is how many rows a table has.
const usualTop = 10

// DefaultKeys takes 13 MB at most, and 5 MB with names of a usual length.
const DefaultKeys = 1 << 14

// Summary counts opens.
type Summary struct {
	o       Options
	total   counts
	unknown uint64  // opens whose results are not known
	tallies []tally // by what o.By says
	users   *format.Users
	key     []byte
}

// New returns an empty summary.
func New(o Options) *Summary {
	if o.Top == 0 {
		o.Top = usualTop
	}
	if o.Keys == 0 {
		o.Keys = DefaultKeys
	}
	if len(o.By) == 0 {
		o.By = Usual
	}
	s := &Summary{o: o, users: format.NewUsers()}
	s.Reset()
	return s
}

// Reset makes the summary an empty one.
func (s *Summary) Reset() {
	s.total, s.unknown = counts{}, 0
	s.tallies = make([]tally, len(s.o.By))
	for i := range s.tallies {
		s.tallies[i] = newTally(s.o.Keys)
	}
}

// Add counts an open. The event is not kept. It allocates only for a file or
// process not held yet.
func (s *Summary) Add(e *event.Event) {
	one := counts{opens: 1, took: e.Took, max: e.Took}
	switch {
	case !e.Fields.Has(event.Result) || e.Result == event.ResultUnknown:
		s.unknown++
	case e.Result < 0:
		one.failed = 1
	}
	s.total.add(one)

	for i, by := range s.o.By {
		s.key = by.key(s.key[:0], e)
		t := s.tallies[i].get(s.key)
		t.add(one)
		if by.note != nil {
			by.note(t, e)
		}
	}
}

// top returns the rows to show of what is counted i-th, and the counts of all others.
func (s *Summary) top(i int) (shown []*entry, others counts) {
	shown = s.tallies[i].sorted(s.o.Order)
	shown = shown[:min(len(shown), s.o.Top)]
	others = s.total
	for _, e := range shown {
		others = others.less(e.counts)
		s.lookUp(i, e)
	}
	return shown, others
}

// lookUp looks up what an entry of what is counted i-th is called.
func (s *Summary) lookUp(i int, e *entry) {
	if name := s.o.By[i].name; name != nil {
		name(s, e)
	}
}

// share is how much of all these are, from 0 to 1: of the opens that failed, if those are what is
// sorted by, or of the time that they took, else of the opens.
func (s *Summary) share(c counts) float64 {
	part, all := c.opens, s.total.opens
	switch s.o.Order {
	case ByFailed:
		part, all = c.failed, s.total.failed
	case ByTook:
		part, all = c.took, s.total.took
	}
	if all == 0 {
		return 0
	}
	return float64(part) / float64(all)
}
