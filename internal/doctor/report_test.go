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
	if err := report.Table(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"fail    trial\n", "by            kprobe on f\n", "not loaded    wrapped: loading failed\n",
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
