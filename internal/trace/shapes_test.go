package trace

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"syscall"
	"testing"

	"opensnoop/internal/bcc"
	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
	"opensnoop/internal/plan"
	"opensnoop/internal/probe"
)

// shapes is how many random option sets are loaded for each probe; OPENSNOOP_SHAPES asks for more.
func shapes() int {
	if n, err := strconv.Atoi(os.Getenv("OPENSNOOP_SHAPES")); err == nil {
		return n
	}
	return 4
}

// randomOptions are some that a user could ask for.
func randomOptions(t *testing.T, r *rand.Rand) plan.Options {
	var opts plan.Options
	f := &opts.Filter
	maybe := func(set func()) {
		if r.IntN(6) == 0 {
			set()
		}
	}
	numbers := func() (n []uint32) {
		for range 1 + r.IntN(3)*20 {
			n = append(n, r.Uint32N(100000))
		}
		return n
	}
	texts := []string{"/x", "/etc/**", "*.so", "/usr/lib/**/*.so", "rel", "a*", "**", `/odd "\name*`, "/", "/a?c", "../up", "./x", "/usr/share/**"}
	globs := func() (g filter.Globs) {
		for range 1 + r.IntN(4) {
			g = append(g, glob(t, texts[r.IntN(len(texts))]))
		}
		return g
	}
	for bit := event.Fields(1); bit < event.AllFields; bit <<= 1 {
		maybe(func() { opts.Fields |= bit })
	}
	maybe(func() { opts.Execs = true })
	maybe(func() { f.PIDs = numbers() })
	maybe(func() { f.TIDs = numbers() })
	maybe(func() { f.UIDs = numbers() })
	maybe(func() { f.EUIDs = numbers() })
	maybe(func() { f.GIDs = numbers() })
	maybe(func() { f.Logins = numbers() })
	maybe(func() { f.ExcludedPIDs = numbers() })
	maybe(func() { f.ExcludedUIDs = numbers() })
	maybe(func() { f.Comms = []string{"a", "fifteen bytes!!"}[:1+r.IntN(2)] })
	maybe(func() { f.ExcludedComms = []string{"bash", "x"}[:1+r.IntN(2)] })
	maybe(func() { f.Failed = true })
	maybe(func() { f.Success = !f.Failed })
	maybe(func() { f.Under = []string{"a", "fifteen bytes!!", "eight888"}[:1+r.IntN(3)] })
	maybe(func() { f.Slower = filter.Duration(1 + r.IntN(1e9)) })
	maybe(func() { f.Errnos = []syscall.Errno{syscall.ENOENT, syscall.EACCES}[:1+r.IntN(2)] })
	maybe(func() { f.Flags = []filter.Flag{{Mask: 3, Value: 1}, {Mask: 0o100, Value: 0o100}}[:1+r.IntN(2)] })
	maybe(func() { f.Paths = globs() })
	maybe(func() { f.ExcludedPaths = globs() })
	maybe(func() { f.RealPaths = globs() })
	maybe(func() { f.Exes = globs() })
	maybe(func() { f.Roots = []uint32{1} })
	maybe(func() { f.RootsExcluded = f.Roots != nil })
	maybe(func() { f.InContainer = true })
	maybe(func() { opts.Lookups = true })
	return opts
}

// isFor reports whether the probe that options name can serve them. If no probe can, it is true as well,
// and the test fails when it uses them.
func isFor(opts plan.Options, facts *kernel.Facts) bool {
	plans, _, err := plan.New(opts, facts)
	return err != nil || len(plans) > 0
}

// Whatever is asked for compiles, and the verifier of the running kernel takes it, by all probes.
// Nothing is attached, so that kprobes need not be there.
func TestRandomShapesLoad(t *testing.T) {
	if err := kernel.RefusesBPF(); err != nil {
		if os.Getenv("OPENSNOOP_E2E") == "require" {
			t.Fatalf("BPF is not permitted here: %v", err)
		}
		t.Skipf("*** DID NOT RUN: BPF is not permitted here: %v", err)
	}
	facts, err := kernel.CurrentFacts()
	if err != nil {
		t.Fatal(err)
	}
	detected := *facts
	facts.Kprobes = nil // nothing is attached
	for _, p := range probe.Probes {
		t.Run(p.Name, func(t *testing.T) {
			if p.Name != "kprobe" && p.Detect(&detected) != nil { // what the verifier takes has to be there
				t.Skipf("*** DID NOT RUN: %v", p.Detect(&detected))
			}
			r := rand.New(rand.NewPCG(1, 2))
			loaded, tried := 0, 0
			for ; loaded < shapes() && tried < 100*shapes(); tried++ {
				opts := randomOptions(t, r)
				opts.Probe = p.Name
				if !isFor(opts, facts) {
					continue
				}
				if err := loadShape(t, opts, *facts); err != nil {
					t.Errorf("%d: %+v: %v", tried, opts, err)
				}
				loaded++
			}
			t.Logf("%d of %d are loaded, others are not for this probe", loaded, tried)
			if loaded == 0 {
				t.Error("none of them is for this probe")
			}
		})
	}
}

// Kernels that do not describe their types (CONFIG_DEBUG_INFO_BTF) take what can be asked of them.
func TestShapesLoadWithoutTypes(t *testing.T) {
	if err := kernel.RefusesBPF(); err != nil {
		if os.Getenv("OPENSNOOP_E2E") == "require" {
			t.Fatalf("BPF is not permitted here: %v", err)
		}
		t.Skipf("*** DID NOT RUN: BPF is not permitted here: %v", err)
	}
	facts, err := kernel.CurrentFacts()
	if err != nil {
		t.Fatal(err)
	}
	facts.Types, facts.TaskRegs = errors.New("it has none"), false
	paths := filter.Globs{glob(t, "/x"), glob(t, "/etc/**")}
	all := []plan.Options{
		{}, {Filter: filter.Filter{Paths: paths}}, {Filter: filter.Filter{ExcludedPaths: paths}},
		{Filter: filter.Filter{Paths: filter.Globs{glob(t, "a*")}}}, // LLVM 11 left its comparison a loop
		{Fields: event.Result, Filter: filter.Filter{Failed: true, Paths: paths[:1], ExcludedPaths: paths[1:]}},
		{Filter: filter.Filter{Comms: []string{"a", "b"}, ExcludedComms: []string{"c"}}},
	}
	r := rand.New(rand.NewPCG(3, 4))
	for wanted, tried := len(all)+shapes(), 0; len(all) < wanted; tried++ {
		if tried > 1000*shapes() {
			t.Fatalf("%d of %d sets can be had there", len(all), tried)
		}
		opts := randomOptions(t, r)
		if _, _, err := plan.New(opts, facts); err == nil { // it needs no types
			all = append(all, opts)
		}
	}
	for i, opts := range all {
		lookups := opts.Lookups
		for _, opts.Probe = range []string{"kprobe", "tracepoint"} {
			opts.Lookups = lookups && opts.Probe == "tracepoint"
			if err := loadShape(t, opts, *facts); err != nil {
				t.Errorf("%d, by %s: %+v: %v", i, opts.Probe, opts, err)
			}
		}
	}
}

// loadShape compiles what a session would, and loads its programs.
func loadShape(t *testing.T, opts plan.Options, facts kernel.Facts) error {
	facts.Kprobes = nil
	plans, rejected, err := plan.New(opts, &facts)
	if err != nil || len(plans) != 1 {
		return fmt.Errorf("no plan: %q, %v", rejected, err)
	}
	if facts.Types != nil {
		plans[0].Types = nil // this kernel has them
	}
	s := &Session{plan: plans[0], noIOUring: plans[0].NoIOUring, compiler: NewCompiler(&facts, nil)}
	defer s.Close()
	source, err := sourceOf(s.plan)
	if err != nil {
		return err
	}
	if s.compiled, err = s.compiler.Compile(t.Context(), source); err != nil {
		return whole(err)
	}
	if err := s.create(nil); err != nil {
		return whole(err)
	}
	if _, err := s.load(); err != nil {
		return whole(err)
	}
	for _, tail := range s.plan.Tails {
		if err := s.module.LoadAll([]object.Loading{tailLoading(tail)})[0]; err != nil {
			return whole(err)
		}
	}
	if s.plan.NoIOUring == nil {
		return whole(s.noIOUring)
	}
	return nil
}

// whole is an error with libbcc's or the verifier's messages.
func whole(err error) error {
	if err == nil {
		return nil
	}
	if failed := (*object.Error)(nil); errors.As(err, &failed) {
		return fmt.Errorf("%w:\n%s", err, failed.Messages[max(0, len(failed.Messages)-1500):])
	}
	return err
}

// What --ebpf prints is all that is compiled: it makes the same programs without a macro beside it.
func TestSourceCompilesByItself(t *testing.T) {
	facts, err := kernel.CurrentFacts()
	if err != nil {
		t.Fatal(err)
	}
	opts := plan.Options{Filter: filter.Filter{Failed: true, PIDs: []uint32{1, 2}, Paths: filter.Globs{glob(t, `/etc/"x*`)}}}
	text, err := Source(opts, facts)
	if err != nil {
		t.Fatal(err)
	}
	source, err := Program(opts, facts)
	if err != nil {
		t.Fatal(err)
	}
	var programs [2][]object.Program
	for i, src := range []bcc.Source{source, {Code: text, Headers: source.Headers}} {
		r, err := NewCompiler(facts, nil).Compile(t.Context(), src)
		if err != nil {
			t.Fatal(whole(err))
		}
		programs[i] = r.Object.Programs
	}
	if !reflect.DeepEqual(programs[0], programs[1]) {
		t.Error("the text that is printed makes other programs")
	}
}
