package trace

import (
	"slices"
	"testing"
)

func TestLosses(t *testing.T) {
	l := Losses{Buffer: 3, Pending: 4, Skipped: 5, Doubtful: 6, Probe: "kprobe"}
	if got := l.Total(); got != 12 {
		t.Errorf("%d in all", got)
	}
	want := []Cause{
		{3, false, "the perf buffer was full; a larger one (-b) or a filter (-p) helps"},
		{4, false, "too many calls were under way at once; a filter (-p) or columns without results help"},
		{5, false, "the kernel skipped the kprobe while other BPF code ran on its CPU; --probe tracepoint is not skipped then"},
		{6, true, "the kernel skipped the kprobe while other BPF code ran on its CPU; --probe tracepoint is not skipped then"},
	}
	if got := l.Causes(); !slices.Equal(got, want) {
		t.Errorf("causes %v", got)
	}
	if got := (Losses{}).Causes(); got != nil {
		t.Errorf("causes of nothing: %v", got)
	}
}

func TestCauseInWords(t *testing.T) {
	for want, cause := range map[string]Cause{
		"lost 7 opens so far: why":     {7, false, "why"},
		"lost up to 8 more opens: why": {8, true, "why"},
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
