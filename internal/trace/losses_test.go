package trace

import (
	"slices"
	"testing"
)

func TestLosses(t *testing.T) {
	l := Losses{Buffer: 3, Pending: 4}
	if got := l.Total(); got != 7 {
		t.Errorf("%d in all", got)
	}
	want := []Cause{
		{3, "the perf buffer was full; a larger one (-b) or a filter (-p) helps"},
		{4, "too many calls were under way at once; a filter (-p) or columns without results help"},
	}
	if got := l.Causes(); !slices.Equal(got, want) {
		t.Errorf("causes %v", got)
	}
	if got := (Losses{}).Causes(); got != nil {
		t.Errorf("causes of nothing: %v", got)
	}
}
