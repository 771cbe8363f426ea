package trace

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"

	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
	"opensnoop/internal/probe"
)

// shapes is how many random option sets are tried for each probe; OPENSNOOP_SHAPES asks for more.
func shapes() int {
	if n, err := strconv.Atoi(os.Getenv("OPENSNOOP_SHAPES")); err == nil {
		return n
	}
	return 4
}

// randomOptions are some that a user could ask for.
func randomOptions(t *testing.T, r *rand.Rand) Options {
	var opts Options
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
	maybe(func() { f.ExcludedPIDs = numbers() })
	maybe(func() { f.ExcludedUIDs = numbers() })
	maybe(func() { f.Comms = []string{"a", "fifteen bytes!!"}[:1+r.IntN(2)] })
	maybe(func() { f.ExcludedComms = []string{"bash", "x"}[:1+r.IntN(2)] })
	maybe(func() { f.Failed = true })
	maybe(func() { f.Success = !f.Failed })
	maybe(func() { f.Errnos = []syscall.Errno{syscall.ENOENT, syscall.EACCES}[:1+r.IntN(2)] })
	maybe(func() { f.Flags = []filter.Flag{{Mask: 3, Value: 1}, {Mask: 0o100, Value: 0o100}}[:1+r.IntN(2)] })
	maybe(func() { f.Paths = globs() })
	maybe(func() { f.ExcludedPaths = globs() })
	maybe(func() { f.RealPaths = globs() })
	maybe(func() { f.Exes = globs() })
	maybe(func() { f.Roots = []uint32{1} })
	maybe(func() { f.InContainer = true })
	if kernel.DescribesTypes() != nil { // what is refused there
		opts.Execs, f.Roots, f.EUIDs, f.Exes, f.RealPaths, f.InContainer = false, nil, nil, nil, nil, false
		for bit := event.Fields(1); bit < event.AllFields; bit <<= 1 {
			if Supports(bit) != nil || bit == event.Depth {
				opts.Fields &^= bit
			}
		}
	}
	return opts
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
	version, err := kernel.CurrentVersion()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range probe.Probes {
		t.Run(p.Name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			loaded, impossible := 0, ""
			for i := range shapes() {
				opts := randomOptions(t, r)
				opts.Probe = p.Name
				switch err := loadShape(t, p, version, opts); {
				case errors.Is(err, errUnfit):
					impossible = err.Error()
				case err != nil:
					t.Errorf("%d: %+v: %v", i, opts, err)
				default:
					loaded++
				}
			}
			if loaded == 0 {
				t.Skipf("*** DID NOT RUN: %s", impossible)
			}
			t.Logf("%d of %d are loaded; of others: %s", loaded, shapes(), impossible)
		})
	}
}

var errUnfit = errors.New("the options cannot be had")

// loadShape compiles what a session would, and loads its programs.
func loadShape(t *testing.T, p *probe.Probe, version kernel.Version, opts Options) error {
	if p.Name == "fentry" {
		if err := p.Available(os.DirFS("/")); err != nil {
			return fmt.Errorf("%w: %w", errUnfit, err)
		}
	}
	if p.Unfit != nil {
		if err := p.Unfit(probe.Use{Fields: opts.fields(), Execs: opts.Execs, Named: true}); err != nil {
			return fmt.Errorf("%w: %w", errUnfit, err)
		}
	}
	source, err := sourceFor(p, version, &opts)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnfit, err)
	}
	s := &Session{probe: p, execs: opts.Execs, fields: opts.fields(), filter: opts.Filter, compiler: NewCompiler(version, nil)}
	defer s.Close()
	if s.compiled, err = s.compiler.Compile(t.Context(), source); err != nil {
		return whole(err)
	}
	if s.module, err = s.compiled.Object.Create(object.Options{Version: version}); err != nil {
		return whole(err)
	}
	hooks, err := place(p.Hooks(version, s.fields.Has(event.Result)), s.compiled.Functions)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnfit, err)
	}
	hooks = append(p.Execs[:len(p.Execs):len(p.Execs)], hooks...)
	if !opts.Execs {
		hooks = hooks[len(p.Execs):]
	}
	if _, err := s.load(hooks, version); err != nil {
		return whole(err)
	}
	if s.uringErr == nil && s.fields.Has(event.Path) {
		return whole(s.module.Load(uringTail.program, probe.RawTracepoint.ProgramType()))
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
