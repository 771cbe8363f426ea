// Package summary counts opens by file and by process, in place of a row for each.
//
// Its memory is bounded: it holds a fixed number of files and of processes, and
// drops those of the fewest opens for new ones. The opens that are in no row shown
// are counted all the same, exactly: those in the rows and the others are all opens
// added. The count of a row is exact too, unless its file or process may have been
// dropped before; then it is marked as the least that it can be.
package summary

import (
	"encoding/binary"

	"opensnoop/internal/event"
)

// Options are what to count and show. The zero value is ready to use.
type Options struct {
	Top     int  // rows of each table; 10 if 0
	Keys    int  // files, and processes, held at a time; DefaultKeys if 0
	Results bool // whether the events have results: shows what failed
	Color   bool // dims headers and makes counts of failed opens red
}

// DefaultKeys takes 13 MB at most, and 5 MB with names of a usual length.
const DefaultKeys = 1 << 14

// Summary counts opens.
type Summary struct {
	o         Options
	total     counts
	unknown   uint64 // opens whose results are not known
	files     tally  // by the name's kind, one byte, and the name
	processes tally  // by process id, big-endian
	key       []byte
}

// New returns an empty summary.
func New(o Options) *Summary {
	if o.Top == 0 {
		o.Top = 10
	}
	if o.Keys == 0 {
		o.Keys = DefaultKeys
	}
	s := &Summary{o: o}
	s.Reset()
	return s
}

// Reset makes the summary an empty one.
func (s *Summary) Reset() {
	s.total, s.unknown = counts{}, 0
	s.files, s.processes = newTally(s.o.Keys), newTally(s.o.Keys)
}

// Add counts an open. The event is not kept. It allocates only for a file or
// process not held yet.
func (s *Summary) Add(e *event.Event) {
	one := counts{opens: 1}
	switch {
	case !e.Fields.Has(event.Result) || e.Result == event.ResultUnknown:
		s.unknown++
	case e.Result < 0:
		one.failed = 1
	}
	s.total.add(one)

	// All names that could not be read count as one of their kind.
	s.key = append(s.key[:0], byte(e.NameKind))
	if e.NameKind == event.NameRead {
		s.key = append(s.key, e.Name...)
	}
	s.files.get(s.key).add(one)

	s.key = binary.BigEndian.AppendUint32(s.key[:0], e.TGID)
	process := s.processes.get(s.key)
	process.add(one)
	process.comm = append(process.comm[:0], e.Comm...)
}

// top returns the rows to show, and the counts of all others.
func (s *Summary) top(t *tally) (shown []*entry, others counts) {
	shown = t.sorted()
	shown = shown[:min(len(shown), s.o.Top)]
	others = s.total
	for _, e := range shown {
		others = others.less(e.counts)
	}
	return shown, others
}

// share is how much of all opens these are, from 0 to 1.
func (s *Summary) share(c counts) float64 {
	if s.total.opens == 0 {
		return 0
	}
	return float64(c.opens) / float64(s.total.opens)
}

// file returns the name that an entry of files counts, and its kind.
func (e *entry) file() (event.NameKind, []byte) {
	return event.NameKind(e.key[0]), []byte(e.key[1:])
}

// pid returns the process that an entry of processes counts.
func (e *entry) pid() uint32 { return binary.BigEndian.Uint32([]byte(e.key)) }
