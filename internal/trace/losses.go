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
	CPU     uint64 // their CPU had no perf buffer
	Skipped uint64 // the kernel skipped the BPF program
	Damaged uint64 // their record made no sense

	// Doubtful is how many more may have been skipped: the kernel tells how often it
	// skipped the program, but not at which calls.
	Doubtful uint64

	// DamagedErr says what was wrong with the first such record.
	DamagedErr string

	// CPUErr says why a CPU cannot have a perf buffer, if that is known.
	CPUErr string

	// SkippedWhy says why the kernel skips the probe's programs, with what helps.
	SkippedWhy string
}

// Total returns the number of all that are certain.
func (l Losses) Total() uint64 { return l.Buffer + l.Pending + l.CPU + l.Skipped + l.Damaged }

// ByCause returns the certain ones, by names that stay the same in each version.
func (l Losses) ByCause() map[string]uint64 {
	return map[string]uint64{"buffer": l.Buffer, "pending": l.Pending, "cpu": l.CPU, "skipped": l.Skipped, "damaged": l.Damaged}
}

// Cause is why opens were lost.
type Cause struct {
	Opens    uint64
	Doubtful bool   // Opens is the most that it can be, and it may be none
	Why      string // with what helps
}

func (c Cause) String() string {
	if c.Doubtful {
		return fmt.Sprintf("lost up to %d more opens: %s", c.Opens, c.Why)
	}
	return fmt.Sprintf("lost %d opens so far: %s", c.Opens, c.Why)
}

// Causes are those of all losses.
func (l Losses) Causes() []Cause {
	noBuffer := "their CPU had just come on line, and had no perf buffer yet"
	if l.CPUErr != "" {
		noBuffer = "their CPU has no perf buffer: " + l.CPUErr
	}
	var causes []Cause
	for _, c := range []Cause{
		{l.Buffer, false, "the perf buffer was full; a larger one (-b) or a filter (-p) helps"},
		{l.Pending, false, "too many calls were under way at once; a filter (-p) or columns without results help"},
		{l.CPU, false, noBuffer},
		{l.Skipped, false, l.SkippedWhy},
		{l.Damaged, false, "their records made no sense; please report it: " + l.DamagedErr},
		{l.Doubtful, true, l.SkippedWhy},
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
	if l.Buffer, err = s.slots.get(slotLostBuffer); err != nil {
		return Losses{}, err
	}
	if l.Pending, err = s.slots.get(slotLostPending); err != nil {
		return Losses{}, err
	}
	if l.CPU, err = s.slots.get(slotLostCPU); err != nil {
		return Losses{}, err
	}
	if s.cpuErr != nil {
		l.CPUErr = s.cpuErr.Error()
	}
	opens, calls, ends, err := s.skipped()
	if err != nil {
		return Losses{}, err
	}
	seen, err := s.slots.get(slotLostEntry)
	if err != nil {
		return Losses{}, err
	}
	seen, l.Doubtful = skippedCalls(calls, ends, seen, s.plan.Results())
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
		switch {
		case h.Opens:
			opens += n
		case h.Calls:
			calls += n
		case h.Ends:
			ends += n
		}
	}
	return opens, calls, ends, nil
}
