package plan

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/kernel"
	"opensnoop/internal/probe"
)

var update = flag.Bool("update", false, "write the golden files anew")

var errMissing = errors.New("it is not there")

// linux returns what is known of a kernel of that version with everything, as changed.
func linux(major, minor uint, changes ...func(*kernel.Facts)) *kernel.Facts {
	f := &kernel.Facts{
		Version: kernel.NewVersion(major, minor, 0), Arch: "amd64", ProbeReadUser: true,
		TaskRegs: true, Preemption: kernel.PreemptVoluntary, Locks: func() []uint64 { return []uint64{1, 2} },
	}
	for _, change := range changes {
		change(f)
	}
	return f
}

func noTypes(f *kernel.Facts)        { f.Types, f.Trampolines = errMissing, errMissing }
func noKprobes(f *kernel.Facts)      { f.Kprobes = errMissing }
func noTrampolines(f *kernel.Facts)  { f.Trampolines = errMissing }
func preemptible(f *kernel.Facts)    { f.Preemption = kernel.PreemptFull }
func preemptUnknown(f *kernel.Facts) { f.PreemptionErr = errMissing }
func noLocks(f *kernel.Facts)        { f.Locks = func() []uint64 { return nil } }
func inContainer(f *kernel.Facts)    { f.Namespace = kernel.PIDNamespace{Dev: 4, Ino: 7} }

func globs(t *testing.T, texts ...string) (globs filter.Globs) {
	t.Helper()
	for _, text := range texts {
		g, err := filter.ParseGlob(text)
		if err != nil {
			t.Fatal(err)
		}
		globs = append(globs, g)
	}
	return globs
}

// Which probes are tried, in which order.
func TestProbes(t *testing.T) {
	result := Options{Fields: event.Result}
	for _, c := range []struct {
		options Options
		facts   *kernel.Facts
		want    string
	}{
		{Options{}, linux(6, 12), "fentry kprobe tracepoint"},
		{Options{}, linux(6, 12, preemptible), "kprobe tracepoint"},
		{Options{}, linux(6, 12, preemptUnknown), "kprobe tracepoint"},
		{Options{}, linux(6, 12, noTrampolines), "kprobe tracepoint"},
		{Options{}, linux(5, 14), "kprobe tracepoint"},
		{Options{}, linux(6, 12, noKprobes), "tracepoint"},
		{result, linux(6, 12), "fentry kprobe tracepoint"},
		{result, linux(6, 12, preemptible), "session kprobe tracepoint"},
		{result, linux(6, 12, preemptUnknown), "session kprobe tracepoint"},
		{result, linux(5, 15), "fentry kprobe tracepoint"},
		{Options{Fields: event.Result, Gated: true}, linux(6, 12), "kprobe tracepoint"},
		{Options{Gated: true}, linux(6, 12), "fentry kprobe tracepoint"},
		{result, linux(6, 9, preemptible), "kprobe tracepoint"},
		{result, linux(6, 10, preemptible), "session kprobe tracepoint"},
		{result, linux(6, 14, noTrampolines), "kprobe tracepoint"},
		{result, linux(6, 14, preemptible, func(f *kernel.Facts) { f.Arch = "arm64" }), "kprobe tracepoint"},
		{Options{Fields: event.Result | event.Took}, linux(7, 3, preemptible), "session kprobe tracepoint"},
		{Options{Fields: event.Result | event.Path}, linux(7, 3, preemptible), "kprobe tracepoint"},
		{Options{Fields: event.Result, Execs: true}, linux(7, 3, preemptible), "kprobe tracepoint"},
		{Options{Probe: "session"}, linux(7, 3), "session"},
		{Options{Fields: event.Path}, linux(6, 12), "kprobe tracepoint"},
		{Options{Execs: true}, linux(6, 12), "kprobe tracepoint"},
		{Options{Filter: filter.Filter{Failed: true}}, linux(6, 12), "fentry kprobe tracepoint"},
		{Options{Probe: "fentry"}, linux(6, 12, preemptible), "fentry"},
		{Options{Probe: "fentry", Fields: event.Result}, linux(6, 12), "fentry"},
		{Options{Probe: "fentry", Fields: event.Result}, linux(6, 12, preemptible), ""},
		{Options{Probe: "fentry", Fields: event.Exe}, linux(6, 12), ""},
		{Options{Probe: "fentry", Fields: event.Took}, linux(6, 12), "fentry"},
		{Options{Probe: "kprobe"}, linux(6, 12, noKprobes), ""},
		{Options{Probe: "tracepoint"}, linux(5, 4, noKprobes, noTypes), "tracepoint"},
		{Options{Probe: probe.Auto}, linux(5, 4, noTypes), "kprobe tracepoint"},
	} {
		plans, rejected, err := New(c.options, c.facts)
		var names []string
		for _, p := range plans {
			names = append(names, p.Probe.Name)
		}
		if got := strings.Join(names, " "); got != c.want || err != nil || len(plans)+len(rejected) != len(probe.Choose(c.options.Probe)) {
			t.Errorf("%+v on %v: %q, want %q; rejected %q, error %v", c.options, c.facts.Version, got, c.want, rejected, err)
		}
	}
}

// Walks compare the kernel's locks where it tells of them at once, and nothing else asks.
func TestLocks(t *testing.T) {
	for _, c := range []struct {
		fields event.Fields
		facts  *kernel.Facts
		want   bool
	}{
		{event.Path, linux(6, 2), true},
		{event.Exe, linux(7, 0), true},
		{event.Path, linux(6, 1), false},
		{event.Path, linux(6, 12, noLocks), false},
		{event.Result, linux(6, 12), false},
		{0, linux(6, 12, func(f *kernel.Facts) { f.Locks = nil }), false},
	} {
		plans, _, err := New(Options{Probe: "kprobe", Fields: c.fields}, c.facts)
		if err != nil || len(plans) != 1 {
			t.Fatal(plans, err)
		}
		if p := plans[0]; (p.Locks != nil) != c.want || slices.Contains(p.Macros, "LOCKS") != c.want {
			t.Errorf("%s on %v: locks %v, macros %v", c.fields.Names(), c.facts.Version, p.Locks, p.Macros)
		}
	}
}

// What records hold.
func TestFields(t *testing.T) {
	one := filter.Filter{Comms: []string{"a"}}
	two := filter.Filter{ExcludedComms: []string{"a", "b"}}
	for _, c := range []struct {
		options Options
		facts   *kernel.Facts
		want    event.Fields
	}{
		{Options{}, linux(6, 12), 0},
		{Options{Fields: event.UID}, linux(6, 12), event.UID},
		{Options{Fields: event.Exe}, linux(6, 12), event.Exe | event.Path},
		{Options{Fields: event.File}, linux(6, 12), event.File | event.Path | event.Result},
		{Options{Execs: true}, linux(6, 12), event.Result},
		{Options{Filter: filter.Filter{Slower: 1}}, linux(6, 12), event.Took | event.Result},
		{Options{Filter: filter.Filter{Failed: true}}, linux(6, 12), event.Result},
		{Options{Filter: filter.Filter{Success: true}}, linux(6, 12), event.Result},
		{Options{Filter: filter.Filter{Errnos: []syscall.Errno{2}}}, linux(6, 12), event.Result},
		{Options{Filter: filter.Filter{Flags: []filter.Flag{{Mask: 3}}}}, linux(6, 12), event.Flags},
		{Options{Filter: filter.Filter{PIDs: []uint32{1}}}, linux(6, 12), 0},
		{Options{Filter: one}, linux(6, 12), 0},
		{Options{Filter: two}, linux(6, 12), event.Process},
		{Options{Filter: two}, linux(6, 12, noTypes), 0},
		{Options{Filter: filter.Filter{Paths: globs(t, "/x")}}, linux(6, 12), event.Path},
		{Options{Filter: filter.Filter{Paths: globs(t, "/x")}}, linux(6, 12, noTypes), 0},
		{Options{Filter: filter.Filter{Paths: globs(t, "x")}}, linux(6, 12), 0},
		{Options{Filter: filter.Filter{RealPaths: globs(t, "/x")}}, linux(6, 12), event.File | event.Path | event.Result},
		{Options{Filter: filter.Filter{Exes: globs(t, "/x")}}, linux(6, 12), event.Exe | event.Path},
		{Options{Filter: filter.Filter{InContainer: true}}, linux(6, 12), event.Cgroup},
	} {
		c.options.Probe = "tracepoint"
		plans, _, err := New(c.options, c.facts)
		if err != nil || len(plans) != 1 || plans[0].Fields != c.want {
			t.Errorf("%+v: %v, want %v; error %v", c.options, plans, c.want, err)
		}
	}
}

// What a kernel cannot tell is refused.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		options Options
		facts   *kernel.Facts
		want    string
	}{
		{Options{Fields: event.PPID}, linux(6, 12, noTypes), "the parent's process id cannot be told, as it is not there"},
		{Options{Fields: event.PPID}, linux(6, 12, inContainer), "the parent's process id cannot be told in a pid namespace"},
		{Options{Fields: event.Path}, linux(5, 4, noTypes), "the absolute path cannot be told"},
		{Options{Execs: true}, linux(5, 4, noTypes), "programs that are executed cannot be shown"},
		{Options{Filter: filter.Filter{EUIDs: []uint32{0}}}, linux(5, 4, noTypes), "the effective user id cannot be told"},
		{Options{Filter: filter.Filter{Logins: []uint32{0}}}, linux(5, 4, noTypes), "who logged in cannot be told"},
		{Options{Filter: filter.Filter{InContainer: true}}, linux(5, 4, noTypes), "the container cannot be told"},
		{Options{Filter: filter.Filter{Roots: []uint32{1}}}, linux(5, 4, noTypes), "what processes start cannot be followed"},
		{Options{Filter: filter.Filter{Roots: []uint32{1}, Running: true}}, linux(6, 12, inContainer), "in a pid namespace running processes cannot be followed"},
		{Options{Filter: filter.Filter{Roots: []uint32{1}, Running: true, RootsExcluded: true}}, linux(6, 12, inContainer), "in a pid namespace the rows' readers cannot be told"},
	} {
		if _, _, err := New(c.options, c.facts); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.options, err, c.want)
		}
	}
}

// A plan in whole, where it is of interest.
func TestGolden(t *testing.T) {
	all := event.AllFields
	for name, c := range map[string]struct {
		options Options
		facts   *kernel.Facts
	}{
		"default":             {Options{}, linux(6, 12)},
		"kprobe":              {Options{}, linux(6, 12, preemptible)},
		"kprobe-5.4":          {Options{Filter: filter.Filter{Paths: globs(t, "/etc/**")}}, linux(5, 4, noTypes, func(f *kernel.Facts) { f.TaskRegs = false })},
		"tracepoint":          {Options{}, linux(6, 18, noKprobes)},
		"failed":              {Options{Filter: filter.Filter{Failed: true}}, linux(6, 12)},
		"failed-preempted":    {Options{Filter: filter.Filter{Failed: true}}, linux(6, 12, preemptible)},
		"failed-6.14":         {Options{Probe: "kprobe", Filter: filter.Filter{Failed: true}}, linux(6, 14)},
		"session-6.14":        {Options{Filter: filter.Filter{Failed: true}}, linux(6, 14, preemptible)},
		"session":             {Options{Fields: event.Result}, linux(7, 3, preemptible)},
		"path":                {Options{Fields: event.Path, Filter: filter.Filter{Paths: globs(t, "/etc/**"), ExcludedPaths: globs(t, "*.so")}}, linux(6, 12)},
		"execs":               {Options{Execs: true}, linux(7, 0)},
		"execs-tracepoint":    {Options{Execs: true, Fields: event.Path}, linux(7, 0, noKprobes)},
		"execs-arm64":         {Options{Execs: true}, linux(6, 12, func(f *kernel.Facts) { f.Arch = "arm64" })},
		"lookups":             {Options{Execs: true, Lookups: true, Fields: event.Path}, linux(6, 12)},
		"following":           {Options{Filter: filter.Filter{Roots: []uint32{7}, Running: true}}, linux(6, 12)},
		"pipeline":            {Options{Filter: filter.Filter{Roots: []uint32{7, 9}, Running: true, RootsExcluded: true}}, linux(6, 12)},
		"process":             {Options{Filter: filter.Filter{PIDs: []uint32{7}}}, linux(6, 12)},
		"processes":           {Options{Filter: filter.Filter{PIDs: []uint32{7, 9}}}, linux(5, 4, noTypes)},
		"arguments":           {Options{Fields: event.Args}, linux(6, 12)},
		"arguments-following": {Options{Fields: event.Args, Filter: filter.Filter{Roots: []uint32{7}}}, linux(6, 12)},
		"containers":          {Options{Filter: filter.Filter{InContainer: true}}, linux(6, 12, inContainer)},
		"everything":          {Options{Fields: all, Execs: true}, linux(6, 18)},
	} {
		plans, _, err := New(c.options, c.facts)
		if err != nil || len(plans) == 0 {
			t.Errorf("%s: %v, error %v", name, plans, err)
			continue
		}
		path, got := filepath.Join("testdata", name+".golden"), plans[0].String()
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || got != string(want) {
			t.Errorf("%s: the plan is not that of %s (-update writes it anew): %v\n%s", name, path, err, got)
		}
	}
}

// Of two plans none changes the other: they share the probes.
func TestPlansAreApart(t *testing.T) {
	before, _, err := New(Options{}, linux(6, 12, preemptible))
	if err != nil {
		t.Fatal(err)
	}
	text := before[0].String()
	if _, _, err := New(Options{Execs: true, Fields: event.AllFields}, linux(6, 12)); err != nil {
		t.Fatal(err)
	}
	after, _, err := New(Options{}, linux(6, 12, preemptible))
	if err != nil || before[0].String() != text || after[0].String() != text || !slices.Equal(before[0].Macros, after[0].Macros) {
		t.Errorf("another plan: %v, error %v", after[0], err)
	}
}
