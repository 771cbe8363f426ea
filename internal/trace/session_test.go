package trace

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
	"opensnoop/internal/plan"
)

func glob(t *testing.T, text string) filter.Glob {
	t.Helper()
	g, err := filter.ParseGlob(text)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// A session that is told to end while it looks for a probe says nothing of those it has tried.
func TestOpenEndsWithItsContext(t *testing.T) {
	if err := kernel.RefusesBPF(); err != nil {
		t.Skipf("NOT TESTED: BPF is not permitted here: %v", err)
	}
	ctx, end := context.WithCancel(t.Context())
	end()
	s, err := Open(ctx, Options{})
	if err == nil {
		s.Close()
		t.Error("a session")
	} else if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// The verifier of the running kernel takes the program in every shape.
func TestEveryShapeLoads(t *testing.T) {
	if err := kernel.RefusesBPF(); err != nil {
		if os.Getenv("OPENSNOOP_E2E") == "require" {
			t.Fatalf("BPF is not permitted here: %v", err)
		}
		t.Skipf("NOT TESTED: BPF is not permitted here: %v", err)
	}
	all := event.UID | event.PPID | event.Flags | event.Result
	many := make([]uint32, 1000)
	for i := range many {
		many[i] = uint32(i + 1)
	}
	long := "/" + strings.Repeat("long/", 100)
	for name, opts := range map[string]plan.Options{
		"default":         {},
		"uid":             {Fields: event.UID},
		"parent":          {Fields: event.PPID},
		"flags":           {Fields: event.Flags},
		"result":          {Fields: event.Result},
		"all fields":      {Fields: all},
		"failed":          {Filter: filter.Filter{Failed: true}},
		"flag filter":     {Filter: filter.Filter{Flags: []filter.Flag{{Mask: 3, Value: 1}, {Mask: 0o100, Value: 0o100}}}},
		"process":         {Filter: filter.Filter{PIDs: []uint32{1}}},
		"processes":       {Filter: filter.Filter{PIDs: many, TIDs: many, UIDs: many}},
		"comms":           {Filter: filter.Filter{Comms: []string{"a", "fifteen bytes!!", `"\`, "??/", "\xff"}}},
		"paths":           {Filter: filter.Filter{Paths: filter.Globs{glob(t, "/etc/**"), glob(t, `/a"b\\c*`), glob(t, long+"*")}}},
		"excluded":        {Filter: filter.Filter{ExcludedPaths: filter.Globs{glob(t, "/proc/**"), glob(t, "/etc/passwd"), glob(t, "*.so")}}},
		"paths at return": {Fields: event.Result, Filter: filter.Filter{Paths: filter.Globs{glob(t, "/etc/**")}, ExcludedPaths: filter.Globs{glob(t, "/etc/x/**")}}},
		"everything": {
			Fields: all, Filter: filter.Filter{Failed: true, Flags: []filter.Flag{{Mask: 3, Value: 1}}, PIDs: many, TIDs: many, UIDs: many,
				Comms: []string{"a", "bcd"}, Paths: filter.Globs{glob(t, "/etc/**")}, ExcludedPaths: filter.Globs{glob(t, "/etc/x/**")}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts.Probe = "tracepoint"
			s, err := Open(t.Context(), Options{Options: opts})
			if failed := (*object.Error)(nil); errors.As(err, &failed) {
				t.Fatalf("%v\n%s", err, failed.Messages)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
