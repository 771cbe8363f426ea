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
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"opensnoop/internal/bcc"
	"opensnoop/internal/cache"
	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
	"opensnoop/internal/order"
	"opensnoop/internal/perfbuf"
	"opensnoop/internal/probe"
)

// Options choose what a session traces. The zero value traces everything by the
// best probe that the kernel has.
type Options struct {
	// Probe is the way to hook the kernel, one of [probe.Names]; "" is [probe.Auto].
	// A named one is not replaced by another when it fails.
	Probe string

	// Fields are what events hold beyond what all do. Each costs a little on every
	// open. With event.Result, an open is reported at its return and not at its
	// entry, and every system call of the machine gets slower by some 60 ns.
	Fields event.Fields

	// Execs is whether opens are shown, too, that the kernel makes to execute a program: of it,
	// of its interpreter and of its loader. Their results need event.Result.
	Execs bool

	// Filter chooses the opens to show.
	Filter filter.Filter

	// BufferPages is the size of each CPU's buffer in pages, a power of two;
	// 0 is DefaultBufferPages, or as much of it as this process may lock.
	BufferPages int

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

// fields are those that records need for what is shown and for the filters.
func (o *Options) fields() event.Fields {
	fields := o.Filter.Fields()
	// Where they cannot be had the filter does with the thread's comm, and with names.
	for _, field := range []event.Fields{event.Process, event.Path} {
		if fields.Has(field) && Supports(field) != nil {
			fields &^= field
		}
	}
	fields |= o.Fields
	if fields&(event.Exe|event.File) != 0 {
		fields |= event.Path // which walks for them
	}
	if fields.Has(event.File) || o.Execs {
		fields |= event.Result
	}
	return fields
}

// Session is a running trace. It is not safe for concurrent use.
type Session struct {
	compiler *bcc.Compiler
	compiled *bcc.Result
	module   *object.Module
	reader   *perfbuf.Reader
	cpus     kernel.CPUs
	cpuErr   error     // why not all of them have a buffer
	pending  *ebpf.Map // calls whose name or result is not known yet
	// Names of pending calls that are too long for that map; nil without results.
	longNames *ebpf.Map

	slots *slots
	pages int

	probe  *probe.Probe
	clock  clock
	missed int           // how many of our opens the program has missed, one after the other
	hooks  []*probe.Hook // that are attached
	hooked uint64        // what slotHooked has
	hook   string
	also   []string
	passed []string
	unseen []string

	fields event.Fields
	filter filter.Filter

	queue      order.Queue
	event      event.Event // the one that is handed out
	uncompared Uncompared
	reclaimed  uint64 // calls taken out of the map here

	damaged    uint64 // records that made no sense
	damagedErr string // what was wrong with the first

	containers *containers // nil if they are not asked for

	execs bool // files that are opened to execute programs are shown

	followed *ebpf.Map // the processes that are followed; nil if none are
	alike    *ebpf.Map // how many of them are alike, as far as they were put in here
	orphans  int

	uring    []probe.Hook // of opens through io_uring
	uringErr error        // why there are none

	// The kernel's ids of calls are not those of our pid namespace.
	foreignIDs bool
}

// Open has the program compiled, or takes it from the cache, loads it, opens the buffers,
// attaches the probes and sees that they fire. It takes some 10 ms, and 50 to 150 more
// to compile; while it does that, it ends as soon as ctx does.
func Open(ctx context.Context, opts Options) (*Session, error) {
	version, err := kernel.CurrentVersion()
	if err != nil {
		return nil, err
	}
	if err := checkCapabilities(version); err != nil {
		return nil, err
	}
	if err := checkPinned(&opts.Filter); err != nil {
		return nil, err
	}
	var passed []string
	for _, p := range probe.Choose(opts.Probe) {
		s, err := open(ctx, p, version, opts)
		if err == nil {
			s.passed = passed
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		if why := (*unavailable)(nil); !errors.As(err, &why) {
			return nil, refused(err)
		}
		passed = append(passed, fmt.Sprintf("%s: %v", p.Name, err))
	}
	return nil, refused(fmt.Errorf("no probe can be used: %s", strings.Join(passed, "; ")))
}

// unavailable wraps an error that means this kind of probe cannot be had on this
// kernel, while another may.
type unavailable struct{ error }

func (u *unavailable) Unwrap() error { return u.error }

// Hook says what the session is attached to.
func (s *Session) Hook() string { return s.hook }

// Probe is the name of the probe in use.
func (s *Session) Probe() string { return s.probe.Name }

// Also says what it is attached to besides, for opens that need it.
func (s *Session) Also() []string { return s.also }

// Passed tells of each probe that was tried in vain before, with its reason.
func (s *Session) Passed() []string { return s.passed }

// Uncompared are opens of which it is not known whether they are of the files asked for.
type Uncompared struct {
	Shown uint64 // their names or paths are not known, or not exactly
	Left  uint64 // not shown, as what they opened has no path
}

// Uncompared returns how many there were so far.
func (s *Session) Uncompared() Uncompared { return s.uncompared }

// Slows reports whether the session slows all system calls, opens or not.
func (s *Session) Slows() bool { return s.probe.Slows }

// Unseen tells which opens do not show on this kernel, with the reason.
func (s *Session) Unseen() []string { return s.unseen }

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

// open opens a session with a probe.
func open(ctx context.Context, p *probe.Probe, version kernel.Version, opts Options) (_ *Session, err error) {
	if err := usable(p, &opts); err != nil {
		return nil, &unavailable{err}
	}
	_, foreign := kernel.CurrentPIDNamespace()
	s := &Session{probe: p, execs: opts.Execs, fields: opts.fields(), filter: opts.Filter, foreignIDs: foreign}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	source, err := sourceFor(p, version, &opts)
	if err != nil {
		return nil, err
	}
	s.compiler = NewCompiler(version, opts.Cache)
	if s.compiled, err = s.compiler.Compile(ctx, source); err != nil {
		return nil, err
	}
	opts.reached(Compiled)
	s.module, err = s.compiled.Object.Create(object.Options{Version: version, Pinned: opts.Filter.Pinned()})
	if err != nil {
		return nil, err
	}
	hooks, err := place(p.Hooks(version, s.fields.Has(event.Result)), s.compiled.Functions)
	if err != nil {
		return nil, &unavailable{err}
	}
	if opts.Execs {
		if len(p.Execs) == 0 {
			s.unseen = append(s.unseen, "loaders of programs, and interpreters of interpreters, which only kprobes show")
		}
		hooks = slices.Insert(hooks, 1, p.Execs...)
	}
	if hooks, err = s.load(hooks, version); err != nil {
		return nil, err
	}
	opts.reached(Loaded)
	if err := s.openMaps(opts.BufferPages); err != nil {
		return nil, err
	}
	if err := s.tell(); err != nil {
		return nil, err
	}
	if err := s.watchCgroups(); err != nil {
		return nil, err
	}
	if err := s.follow(); err != nil {
		return nil, err
	}
	if err := s.seeExecs(); err != nil {
		return nil, err
	}
	if err := s.attachAll(hooks); err != nil {
		return nil, &unavailable{err}
	}
	if err := s.prove(ctx); err != nil {
		return nil, &unavailable{err}
	}
	s.attachIOUring()
	opts.reached(Attached)
	return s, nil
}

// usable returns nil if a probe may do for a session, and is the one to take.
func usable(p *probe.Probe, opts *Options) error {
	return p.Usable(os.DirFS("/"), probe.Use{Fields: opts.fields(), Execs: opts.Execs, Named: opts.Probe == p.Name})
}

// NewCompiler returns a compiler for the running kernel.
func NewCompiler(version kernel.Version, folder *cache.Folder) *bcc.Compiler {
	return &bcc.Compiler{
		Cache:   folder,
		Version: version,
		// Linux 5.15 brought the first, which is asked for anyway, 5.5 the second.
		ProbeReadUser: kernel.HasHelper(asm.FnTaskPtRegs) || kernel.HasHelper(asm.FnProbeReadUser),
	}
}

// tell writes into the slots what the program has to know of this run.
func (s *Session) tell() error {
	if err := s.slots.set(slotSelf, uint64(os.Getpid())); err != nil {
		return err
	}
	if pid, ok := s.filter.OnePID(); ok {
		return s.slots.set(slotPID, uint64(pid))
	}
	return nil
}

// detach takes all probes away; what they recorded can still be read.
func (s *Session) detach() error {
	if s.module == nil {
		return nil
	}
	if err := s.module.Detach(); err != nil {
		return fmt.Errorf("detaching the probes: %w", err)
	}
	return nil
}

// Close detaches the probes and frees all that the session holds.
func (s *Session) Close() error {
	err := s.detach()
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
