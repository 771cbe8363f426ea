package doctor

import (
	"fmt"
	"strings"
	"testing"

	"opensnoop/internal/object"
)

// A stage that fails ends the check, and shows the compiler's own words.
func TestFailedStage(t *testing.T) {
	c := LiveCheck{Name: "trial", Status: OK, Hook: "kprobe on f"}
	st := stages(&c)
	if !st.end(compiled, nil) {
		t.Error("a stage without an error does not let the next follow")
	}
	if st.end(loaded, fmt.Errorf("wrapped: %w", &object.Error{Step: "loading", Messages: "R1 type=inv\nprocessed 3 insns"})) {
		t.Error("a stage with an error lets the next follow")
	}
	if c.Status != Fail {
		t.Errorf("the check is %s", c.Status)
	}
	report := NewReport(nil)
	report.AddLive([]LiveCheck{c})
	if report.CanTrace || report.Well() {
		t.Errorf("%+v", report)
	}
	var b strings.Builder
	if err := report.Table(&b, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"fail  trial\n", "by            kprobe on f\n", "not loaded    wrapped: loading failed\n",
		"              R1 type=inv\n", "              processed 3 insns\n", "cannot trace here",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// The tracer's own check decides whether opensnoop can trace; any decides whether
// all is well.
func TestLiveDecides(t *testing.T) {
	failed, passed := LiveCheck{Status: Fail}, LiveCheck{Status: OK}
	report := NewReport([]Check{{Status: OK}, {Status: Warn}})
	if !report.CanTrace || !report.Well() {
		t.Errorf("a warning: %+v", report)
	}
	report.AddLive([]LiveCheck{failed, passed})
	if !report.CanTrace || report.Well() {
		t.Errorf("the first failed: %+v", report)
	}
	report.AddLive([]LiveCheck{passed, failed})
	if report.CanTrace || report.Well() {
		t.Errorf("the last failed: %+v", report)
	}
	if NewReport([]Check{{Status: OK}, {Status: Fail}}).Well() {
		t.Error("a failed check is well")
	}
}

// The verdict is first, then what is wrong, the worst first; what passed is counted.
func TestReportForAPerson(t *testing.T) {
	long := strings.Repeat("word ", 40)
	report := NewReport([]Check{
		{Name: "a", Status: OK, Found: "y"},
		{Name: "b", Status: Warn, Found: "absent", Meaning: long, Remedy: "nothing"},
		{Name: "c", Status: Fail, Found: "missing", Meaning: "opensnoop may not trace", Remedy: "use sudo"},
		{Name: "d", Status: Warn, Found: "not set", Meaning: long, Remedy: "nothing", Of: "b"},
		{Name: "e", Status: OK, Found: "y"},
	})
	for _, test := range []struct {
		all  bool
		want []string // in this order
	}{
		{false, []string{"opensnoop cannot trace here.\n\n", "fail  c: missing\n", "To do: use sudo\n", "\nwarn  b: absent\n", "\n2 checks passed (-v shows them).\n"}},
		{true, []string{"opensnoop cannot trace here.\n\n", "fail  c: missing\n", "\nwarn  b: absent\n", "\nwarn  d: not set\n      See b.\n", "\nok    a: y\nok    e: y\n"}},
	} {
		var b strings.Builder
		if err := report.Table(&b, test.all); err != nil {
			t.Fatal(err)
		}
		rest, found := b.String(), true
		for _, want := range test.want {
			if _, rest, found = strings.Cut(rest, want); !found {
				t.Errorf("no %q, or not in order:\n%s", want, b.String())
			}
		}
		for line := range strings.Lines(b.String()) {
			if len(line) > width+1 {
				t.Errorf("longer than %d: %s", width, line)
			}
		}
		if !test.all && strings.Contains(b.String(), "  d: ") {
			t.Errorf("a detail shows:\n%s", b.String())
		}
	}
}

// What a detail lacks is no fault where the check that it is of passed.
func TestDetails(t *testing.T) {
	detail := Check{Name: "CONFIG_KPROBES", Of: "kprobes", Status: Warn, Found: "not set", Meaning: "m", Remedy: "r"}
	checks := withDetails([]Check{{Name: "kprobes", Status: OK}}, []Check{detail})
	if got := checks[1]; got.Status != OK || got.Of != "" || got.Meaning != "" {
		t.Errorf("%+v", got)
	}
	checks = withDetails([]Check{{Name: "kprobes", Status: Warn}}, []Check{detail})
	if checks[1] != detail {
		t.Errorf("%+v", checks[1])
	}
}
