package trace

import (
	"math"
	"slices"
	"testing"

	"opensnoop/internal/event"
	"opensnoop/internal/plan"
)

func TestLosses(t *testing.T) {
	l := Losses{Buffer: 3, Pending: 4, Skipped: 5, Damaged: 7, DamagedErr: "no", Doubtful: 6, SkippedWhy: "why"}
	if got := l.Total(); got != 19 {
		t.Errorf("%d in all", got)
	}
	want := []Cause{
		{3, areLost, "the perf buffer was full; a larger one (-b) or a filter (-p) helps"},
		{4, areLost, "too many calls were under way at once; a filter (-p, -u) helps"},
		{5, areLost, "why"},
		{7, areLost, "their records made no sense; please report it: no"},
		{6, mayBeLost, "why"},
	}
	if got := l.Causes(); !slices.Equal(got, want) {
		t.Errorf("causes %v", got)
	}
	if got := (Losses{}).Causes(); got != nil {
		t.Errorf("causes of nothing: %v", got)
	}
}

// One bad record is an open that is lost, and not the end.
func TestDamagedRecordsAreCounted(t *testing.T) {
	e := event.Event{Time: 1, Comm: []byte("a"), Name: []byte("/name"), Fields: event.Path}
	e.Folder.Base.Components = []byte("folder\x00")
	good := e.Append(nil)
	s := &Session{plan: &plan.Plan{}}
	for size := range len(good) {
		s.queue.Push(1, good[:size])
	}
	s.queue.Push(2, good)
	rows := 0
	err := s.release(math.MaxUint64, Handler{
		Event: func(*event.Event) error { rows++; return nil },
		Flush: func() error { return nil },
	})
	if err != nil || rows != 1 || s.damaged != uint64(len(good)) || s.damagedErr == "" {
		t.Errorf("%d rows, %d damaged (%s), %v", rows, s.damaged, s.damagedErr, err)
	}
}

func TestCauseInWords(t *testing.T) {
	for want, cause := range map[string]Cause{
		"lost 7 opens so far: why":     {7, areLost, "why"},
		"lost up to 8 more opens: why": {8, mayBeLost, "why"},
	} {
		if got := cause.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSkippedCalls(t *testing.T) {
	for name, test := range map[string]struct {
		calls, ends, seen uint64
		results           bool
		certain, doubtful uint64
	}{
		"none, with calls that began before": {0, 0, 3, true, 0, 0},
		"seen at their ends":                 {100, 0, 40, true, 40, 0},
		"skipped at both":                    {100, 7, 40, true, 40, 7},
		"more ends than calls":               {100, 90, 40, true, 40, 60},
		"without results":                    {100, 7, 0, false, 0, 100},
	} {
		certain, doubtful := skippedCalls(test.calls, test.ends, test.seen, test.results)
		if certain != test.certain || doubtful != test.doubtful {
			t.Errorf("%s: %d and %d", name, certain, doubtful)
		}
	}
}
