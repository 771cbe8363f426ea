package trace

import (
	"fmt"

	"opensnoop/internal/event"
)

// Losses are opens that were made since the session began and are not handed out, by
// what they were lost to. Opens lost behind the session, in writing them, are the
// caller's to count.
type Losses struct {
	Buffer  uint64 // the perf buffer of their CPU was full
	Pending uint64 // too many calls were pending
	Name    uint64 // too many of a user's calls with long names were pending
	CPU     uint64 // their CPU had no perf buffer
	Skipped uint64 // the kernel skipped the BPF program
	Forked  uint64 // their thread was being made when tracing began
	Ends    uint64 // another tracer hid their ends, which say whether they are wanted
	Damaged uint64 // their record made no sense

	// Doubtful is how many more may have been skipped: the kernel tells how often it
	// skipped the program, but not at which calls.
	Doubtful uint64

	// Opens that show, but without the name or the result that they waited for: too many calls
	// were pending, or too many of a user's with long names; or their thread was being made when
	// tracing began.
	Unfinished, UnfinishedName, UnfinishedForked uint64

	// DamagedErr says what was wrong with the first such record.
	DamagedErr string

	// CPUErr says why a CPU cannot have a perf buffer, if that is known.
	CPUErr string

	// SkippedWhy says why the kernel skips the probe's programs, with what helps.
	SkippedWhy string
}

// Total returns the number of all that are certain.
func (l Losses) Total() uint64 {
	return l.Buffer + l.Pending + l.Name + l.CPU + l.Skipped + l.Forked + l.Ends + l.Damaged
}

// ByCause returns the certain ones, by names that stay the same in each version.
func (l Losses) ByCause() map[string]uint64 {
	return map[string]uint64{"buffer": l.Buffer, "pending": l.Pending + l.Name, "cpu": l.CPU, "skipped": l.Skipped + l.Forked + l.Ends, "damaged": l.Damaged}
}

// Cause is why opens were lost, or show without all that is asked for.
type Cause struct {
	Opens uint64
	What  string // became of so many, with a %d for them
	Why   string // with what helps
}

func (c Cause) String() string { return fmt.Sprintf(c.What, c.Opens) + ": " + c.Why }

const (
	areLost    = "lost %d opens so far"
	mayBeLost  = "lost up to %d more opens"
	unfinished = "%d opens so far show without their name or result"
)

// Causes are those of all losses, and of opens that are not whole.
func (l Losses) Causes() []Cause {
	noBuffer := "their CPU had just come on line, and had no perf buffer yet"
	if l.CPUErr != "" {
		noBuffer = "their CPU has no perf buffer: " + l.CPUErr
	}
	var causes []Cause
	const (
		manyCalls = "too many calls were under way at once; a filter (-p, -u) helps"
		forked    = "their thread was being made when tracing began; starting opensnoop again helps"
		ends      = "another tracer attached to the same functions, and hid how they ended; --probe kprobe helps"
		longNames = "one user had too many calls with long paths under way at once; a filter (-p, -u) helps"
	)
	for _, c := range []Cause{
		{l.Buffer, areLost, "the perf buffer was full; a larger one (-b) or a filter (-p) helps"},
		{l.Pending, areLost, manyCalls},
		{l.Name, areLost, longNames},
		{l.CPU, areLost, noBuffer},
		{l.Skipped, areLost, l.SkippedWhy},
		{l.Forked, areLost, forked},
		{l.Ends, areLost, ends},
		{l.Damaged, areLost, "their records made no sense; please report it: " + l.DamagedErr},
		{l.Doubtful, mayBeLost, l.SkippedWhy},
		{l.Unfinished, unfinished, manyCalls},
		{l.UnfinishedName, unfinished, longNames},
		{l.UnfinishedForked, unfinished, forked},
	} {
		if c.Opens > 0 {
			causes = append(causes, c)
		}
	}
	return causes
}

// Losses returns what was lost until now.
func (s *Session) Losses() (l Losses, err error) {
	l.SkippedWhy, l.Damaged, l.DamagedErr = s.plan.Probe.Skipped, s.damaged, s.damagedErr
	var seen uint64
	for which, count := range map[slot]*uint64{
		slotLostBuffer: &l.Buffer, slotLostPending: &l.Pending, slotLostName: &l.Name, slotLostCPU: &l.CPU, slotLostEntry: &seen,
		slotUnfinishedPending: &l.Unfinished, slotUnfinishedName: &l.UnfinishedName,
		slotLostForked: &l.Forked, slotUnfinishedForked: &l.UnfinishedForked, slotLostEnd: &l.Ends,
	} {
		if *count, err = s.slots.get(which); err != nil {
			return Losses{}, err
		}
	}
	l.Pending += s.pending.lost
	l.Ends += s.pending.hidden
	l.Unfinished += s.pending.unfinished
	if s.cpuErr != nil {
		l.CPUErr = s.cpuErr.Error()
	}
	opens, calls, ends, err := s.skipped()
	if err != nil {
		return Losses{}, err
	}
	// Calls that were taken out of the map may have ended since.
	out := s.pending.lost + s.pending.unfinished
	seen, l.Doubtful = skippedCalls(calls, ends+out, seen-min(seen, out), s.plan.Results())
	add := func(n uint64, certain bool) {
		if certain {
			l.Skipped += n
		} else {
			l.Doubtful += n
		}
	}
	add(opens, !s.plan.Filter.Narrows())
	add(seen, !s.plan.Filter.NarrowsLate())
	return l, nil
}

// decode fills an event from a record; false if that makes no sense. Then the open counts as lost.
func (s *Session) decode(e *event.Event, record []byte) bool {
	err := e.Decode(record)
	if err == nil {
		return true
	}
	if s.damaged++; s.damaged == 1 {
		s.damagedErr = err.Error()
	}
	return false
}

// skippedCalls tells how many opens were certainly skipped among calls, and how many more
// there may be: the program at the entry of calls was skipped that often, that at the ends
// of calls so often, and it has seen so many opens end whose entry it had not.
func skippedCalls(calls, ends, seen uint64, results bool) (certain, doubtful uint64) {
	if !results {
		return 0, calls // it does not look
	}
	certain = min(seen, calls)
	return certain, min(calls-certain, ends)
}

// skipped counts how often the kernel has skipped the programs that see opens, by what
// they run for.
func (s *Session) skipped() (opens, calls, ends uint64, err error) {
	counted := make(map[string]bool)
	for _, h := range s.hooks {
		if counted[h.Program] || !(h.Opens || h.Calls || h.Ends) {
			continue
		}
		counted[h.Program] = true
		n, err := s.module.Misses(h.Program)
		if err != nil {
			return 0, 0, 0, err
		}
		if h.Opens {
			opens += n
		}
		if h.Calls {
			calls += n
		}
		if h.Ends {
			ends += n
		}
	}
	return opens, calls, ends, nil
}
