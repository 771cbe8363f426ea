package cli

import (
	"slices"
	"testing"

	"opensnoop/internal/proc"
)

func TestOuterNumbers(t *testing.T) {
	found := []proc.Inner{{Number: 1, PID: 100, Comm: "init"}, {Number: 7, PID: 107}, {Number: 1, PID: 200}, {Number: 7, PID: 207, Comm: "a\x1b"}}
	if got, want := outer([]uint32{7, 8, 1}, found), []uint32{107, 207, 8, 100, 200}; !slices.Equal(got, want) {
		t.Errorf("%d, want %d", got, want)
	}
	if got, want := namesInner(found), "1 is 100 (init), 7 is 107 (), 1 is 200 (), and 1 more"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
