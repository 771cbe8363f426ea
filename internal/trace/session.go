// Package trace runs a tracing session: it hooks the kernel's opening of files
// and hands out the opens, as [event.Event]s in the order of time.
//
// [Open] makes everything ready; from then on every open is recorded.
// [Session.Run] hands them out until its context ends.
package trace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"opensnoop/internal/bcc"
	"opensnoop/internal/cache"
	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
	"opensnoop/internal/perfbuf"
	"opensnoop/internal/plan"
	"opensnoop/internal/probe"
	"opensnoop/internal/proc"
)

// Options choose what a session traces. The zero value traces everything by the
// best probe that the kernel has.
type Options struct {
	plan.Options

	// Kernel is what is known of the running kernel; nil asks it.
	Kernel *kernel.Facts

	// BufferPages is the size of each CPU's buffer in pages, a power of two;
	// 0 is DefaultBufferPages, or as much of it as this process may lock.
	BufferPages int

	// Shut is whether the gate of a session that has one is shut.
	Shut bool

	// Cache is where compiled programs are kept; nil is nowhere.
	Cache *cache.Folder

	// Reached, if set, is called at each [Step] of opening a session, and again
	// for the next probe if one cannot be had.
	Reached func(Step)
}

// Step is how far a session has come.
type Step string

// The steps, in order.
const (
	Compiled Step = "compiled"
	Loaded   Step = "loaded"
	Attached Step = "attached"
)

func (o *Options) reached(step Step) {
	if o.Reached != nil {
		o.Reached(step)
	}
}

// Session is a running trace. It is not safe for concurrent use.
type Session struct {
	plan     *plan.Plan
	filter   filter.Matcher // what the BPF program leaves to do
	compiler *bcc.Compiler
	compiled *bcc.Result
	module   *object.Module
	reader   *perfbuf.Reader
	cpus     kernel.CPUs
	cpuErr   error   // why not all of them have a buffer
	pending  pending // calls whose name or result is not known yet

	slots *slots
	pages int

	clock      clock
	missed     int             // how many of our opens the program has missed, one after the other
	hooks      []*probe.Hook   // that are attached
	hooked     uint64          // what slotHooked has
	later      *probe.Hook     // that is not attached yet; nil is none
	hook       string          // the one that sees opens, as users know it
	extraHooks []string        // the others
	rejected   []plan.Rejected // probes that could not be had
	notShown   []string        // opens that do not show
	blind      string          // which containers cannot be told, and why

	queue      perfbuf.Queue
	event      event.Event // the one that is handed out
	uncompared Uncompared

	damaged    uint64 // records that made no sense
	damagedErr string // what was wrong with the first

	containers *containers // nil if they are not asked for

	followed       *ebpf.Map // the processes that are followed; nil if none are
	followedByUser *ebpf.Map // how many of them there are in each bucket, as far as they were put in here
	orphans        int

	ends ends

	noIOUring error // why opens through io_uring are not seen
}

// Open has the program compiled, or takes it from the cache, loads it, opens the buffers,
// attaches the probes and sees that they fire. It takes some 10 ms, and 50 to 150 more
// to compile; while it does that, it ends as soon as ctx does.
func Open(ctx context.Context, opts Options) (_ *Session, err error) {
	facts := opts.Kernel
	if facts == nil {
		if facts, err = kernel.CurrentFacts(); err != nil {
			return nil, err
		}
	}
	if err := checkCapabilities(facts.Version); err != nil {
		return nil, err
	}
	if err := checkPinned(&opts.Filter); err != nil {
		return nil, err
	}
	plans, rejected, err := plan.New(opts.Options, facts)
	if err != nil {
		return nil, refused(err)
	}
	compiler := NewCompiler(facts, opts.Cache)
	for _, p := range plans {
		s, err := open(ctx, p, compiler, &opts)
		if err == nil {
			s.rejected = rejected
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err() // whatever this probe lacks: the next one was not tried
		}
		if why := (*unavailable)(nil); !errors.As(err, &why) {
			return nil, refused(err)
		}
		rejected = append(rejected, plan.Rejected{Probe: p.Probe.Name, Why: err.Error()})
	}
	return nil, refused(errNoProbe(rejected))
}

func errNoProbe(rejected []plan.Rejected) error {
	return fmt.Errorf("no probe can be used: %s", strings.Join(byReason(rejected), "; "))
}

// byReason puts the names of those together that have the same reason.
func byReason(rejected []plan.Rejected) (lines []string) {
	names := make(map[string][]string)
	for _, r := range rejected {
		names[r.Why] = append(names[r.Why], r.Probe)
	}
	for _, r := range rejected {
		if of := names[r.Why]; of[0] == r.Probe {
			lines = append(lines, strings.Join(of, ", ")+": "+r.Why)
		}
	}
	return lines
}

// unavailable wraps an error that means this kind of probe cannot be had on this
// kernel, while another may.
type unavailable struct{ error }

func (u *unavailable) Unwrap() error { return u.error }

// Plan is what the session does.
func (s *Session) Plan() *plan.Plan { return s.plan }

// Hook says what the session is attached to.
func (s *Session) Hook() string { return s.hook }

// Probe is the name of the probe in use.
func (s *Session) Probe() string { return s.plan.Probe.Name }

// ExtraHooks says what it is attached to besides, for opens that need it.
func (s *Session) ExtraHooks() []string { return s.extraHooks }

// Rejected tells of each probe that could not be had, though it would be taken before this one.
func (s *Session) Rejected() []string { return byReason(s.rejected) }

// Uncompared are opens of which it is not known whether they are of the files asked for.
type Uncompared struct {
	Shown uint64 // their names or paths are not known, or not exactly
	Left  uint64 // not shown, as what they opened has no path
}

// Uncompared returns how many there were so far.
func (s *Session) Uncompared() Uncompared { return s.uncompared }

// GlobalCost reports whether the session slows all system calls, opens or not.
func (s *Session) GlobalCost() bool { return s.plan.Probe.GlobalCost }

// NotShown tells which opens do not show on this kernel, with the reason.
func (s *Session) NotShown() []string { return s.notShown }

// Blind says which containers cannot be told, and why; "" if all can be.
func (s *Session) Blind() string { return s.blind }

// Compiled says where the program comes from.
func (s *Session) Compiled() *bcc.Result { return s.compiled }

// Keep puts the program into the cache, if it was compiled and is not there yet. It is
// not for the way to the first row: it may take some ms.
func (s *Session) Keep() error { return s.compiler.Keep(s.compiled) }

// Boot is when the clock of events was 0, by the clock that tells the time of day, as that
// was when the last events were handed out. It is the zero time before.
func (s *Session) Boot() time.Time { return s.clock.boot }

// Buffers are the size of each CPU's buffer in pages, and that of all in bytes.
func (s *Session) Buffers() (pages, bytes int) {
	return s.pages, s.pages * os.Getpagesize() * len(s.reader.CPUs())
}

// open opens a session by a plan.
func open(ctx context.Context, p *plan.Plan, compiler *bcc.Compiler, opts *Options) (_ *Session, err error) {
	s := &Session{plan: p, filter: p.Filter.Late(), compiler: compiler, notShown: p.NotShown, noIOUring: p.NoIOUring}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	source, err := sourceOf(p)
	if err != nil {
		return nil, err
	}
	if s.compiled, err = compiler.Compile(ctx, source); err != nil {
		return nil, err
	}
	opts.reached(Compiled)
	if err := proc.CheckMemory(ownMemory+s.compiled.Object.Memory(), "tracing this"); err != nil {
		return nil, err
	}
	if err := s.create(p.Filter.Pinned()); err != nil {
		return nil, err
	}
	if err := s.openMaps(); err != nil {
		return nil, err
	}
	hooks, err := s.loadAndBuffer(opts.BufferPages)
	if err != nil {
		return nil, err
	}
	opts.reached(Loaded)
	if err := s.prepare(!opts.Shut); err != nil {
		return nil, err
	}
	if err := s.attachAll(hooks); err != nil {
		return nil, &unavailable{err}
	}
	if err := s.selfCheck(ctx); err != nil {
		return nil, &unavailable{err}
	}
	s.attachIOUring()
	opts.reached(Attached)
	return s, nil
}

// prepare fills the maps, and starts what follows processes, containers and ends of calls: all that
// must be there before a program runs.
func (s *Session) prepare(gateIsOpen bool) error {
	for _, step := range []func() error{
		s.configure,
		func() error { return s.Gate(gateIsOpen) },
		s.startContainers,
		s.watchEnds,
		s.startFollowing,
		s.forgetRoots,
		s.startArguments,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// NewCompiler returns a compiler for a kernel.
func NewCompiler(f *kernel.Facts, folder *cache.Folder) *bcc.Compiler {
	return &bcc.Compiler{Cache: folder, Version: f.Version, ProbeReadUser: f.ProbeReadUser}
}

// configure writes into the slots what the program has to know of this run.
func (s *Session) configure() error {
	err := errors.Join(s.slots.set(slotSelf, uint64(os.Getpid())), s.slots.set(slotPID, noPID))
	locks := s.plan.Locks
	if locks == nil {
		return err // walks compare the d_seq of each dentry
	}
	return errors.Join(err, s.slots.set(slotRenameLock, locks[0]), s.slots.set(slotMountLock, locks[1]))
}

// Gate opens or shuts the gate: calls that begin while it is shut are not this session's. It may
// be called while Run runs.
func (s *Session) Gate(open bool) error {
	shut := uint64(1)
	if open {
		shut = 0
	}
	return s.slots.set(slotGateShut, shut)
}

// detach takes all probes away; what they recorded can still be read.
func (s *Session) detach() error {
	if s.module == nil {
		return nil
	}
	// Calls that begin from now on, with part of the probes, would not be whole.
	if s.plan.BeginsNamed && s.slots != nil {
		if err := s.slots.set(slotHooked, s.hooked&^probe.CopiedNames); err != nil {
			return err
		}
	}
	if err := s.module.Detach(); err != nil {
		return fmt.Errorf("detaching the probes: %w", err)
	}
	return nil
}

// Close detaches the probes and frees all that the session holds.
func (s *Session) Close() error {
	err := s.detach()
	s.ends.close()
	if s.containers != nil {
		s.containers.close()
		s.containers = nil
	}
	if s.reader != nil {
		s.reader.Close()
		s.reader = nil
	}
	if s.module != nil {
		err = errors.Join(err, s.slots.close(), s.module.Close())
		s.module = nil
	}
	return err
}
