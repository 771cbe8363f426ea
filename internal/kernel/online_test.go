package kernel

import (
	"maps"
	"slices"
	"testing"
)

func TestParseCPUs(t *testing.T) {
	for list, want := range map[string][]int{
		"0\n":        {0},
		"0-2\n":      {0, 1, 2},
		"0,2-3,8\n":  {0, 2, 3, 8},
		"":           nil,
		"x":          nil,
		"0-":         nil,
		"0-99999":    nil,
		"3-1":        {},
		"0,,1":       nil,
		"0-1-2":      nil,
		"-1":         nil,
		"0x1":        nil,
		"65535":      {65535},
		"1, 2":       nil,
		"0-1\n\n":    {0, 1},
		"0-1,0-1,1 ": {0, 1},
	} {
		got := parseCPUs(list)
		if (got == nil) != (want == nil) || !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
			t.Errorf("%q: %v, want %v", list, got, want)
		}
	}
}

func TestOnlineCPUs(t *testing.T) {
	if n := OnlineCPUs(); n < 1 || n > PossibleCPUs() {
		t.Errorf("%d CPUs on line, of %d", n, PossibleCPUs())
	}
	var c CPUs
	if !c.Changed() || !c.Online(0) {
		t.Error("the first CPU is not on line")
	}
	if c.text != "" && c.Changed() {
		t.Error("changed at once")
	}
}
