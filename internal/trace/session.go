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

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/perf"
	"golang.org/x/sys/unix"

	"opensnoop/bpf"
	"opensnoop/internal/bcc"
	"opensnoop/internal/cache"
	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
	"opensnoop/internal/order"
	"opensnoop/internal/probe"
)

// Options choose what a session traces. The zero value traces everything by the
// best probe that the kernel has. Of several values of a filter an open has to
// match one, of several filters all; the kernel applies them, so that other opens
// cost next to nothing.
type Options struct {
	// Probe is the way to hook the kernel; "" is [probe.Auto]. A named one is not
	// replaced by another when it fails.
	Probe probe.Kind

	// Fields are what events hold beyond what all do. Each costs a little on every
	// open. With event.Result, an open is reported at its return and not at its
	// entry, and every system call of the machine gets slower by some 60 ns.
	Fields event.Fields

	PIDs  []uint32 // processes (tgids)
	TIDs  []uint32 // threads
	UIDs  []uint32 // users
	Comms []string // parts of comms, of 1 to 15 bytes

	// Cgroups and MountNamespaces are paths of pinned BPF maps, hashes whose keys
	// of 8 bytes are the ids of cgroups (bpf_get_current_cgroup_id) or the inodes
	// of mount namespaces; the values, of 8 and 4 bytes, do not matter. They may
	// be changed while the session runs.
	Cgroups         string
	MountNamespaces string

	Failed bool         // only opens that fail
	Flags  []FlagFilter // any of them

	// Paths are the names to show, ExcludedPaths those not to. Of both the kernel
	// compares only how they start.
	Paths         Globs
	ExcludedPaths Globs

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

// pinned are the paths of the pinned maps, by the names of the BPF program's maps that
// they take the place of.
func (o *Options) pinned() map[string]string {
	pinned := make(map[string]string)
	if o.Cgroups != "" {
		pinned["cgroupset"] = o.Cgroups
	}
	if o.MountNamespaces != "" {
		pinned["mount_ns_set"] = o.MountNamespaces
	}
	return pinned
}

// checkMaps returns an error if a pinned map is not what the BPF program would use
// it as.
func (o *Options) checkMaps() error {
	for _, pinned := range []struct {
		path      string
		valueSize uint32
	}{{o.Cgroups, 8}, {o.MountNamespaces, 4}} {
		if pinned.path == "" {
			continue
		}
		m, err := ebpf.LoadPinnedMap(pinned.path, nil)
		if err != nil {
			return fmt.Errorf("opening the pinned BPF map %s: %w", pinned.path, err)
		}
		m.Close()
		if m.Type() != ebpf.Hash || m.KeySize() != 8 || m.ValueSize() != pinned.valueSize {
			return fmt.Errorf("the pinned BPF map %s is a %v with keys of %d and values of %d bytes; expected a Hash with keys of 8 bytes and values of %d",
				pinned.path, m.Type(), m.KeySize(), m.ValueSize(), pinned.valueSize)
		}
	}
	return nil
}

// FlagFilter matches opens whose flags have the value in the bits of the mask.
type FlagFilter struct{ Mask, Value uint64 }

// Session is a running trace. It is not safe for concurrent use.
type Session struct {
	compiler *bcc.Compiler
	compiled *bcc.Result
	module   *object.Module
	reader   *perf.Reader
	pending  *ebpf.Map // calls whose name or result is not known yet
	slots    *ebpf.Map // what the program counts and what it is told; see slot
	pages    int

	hook   string
	also   []string
	passed []string
	unseen []string

	fields    event.Fields
	failed    bool // only opens that fail are wanted
	paths     Globs
	excluded  Globs
	sample    perf.Record
	queue     order.Queue
	reclaimed uint64 // calls taken out of the map here

	// The kernel's ids of calls are not those of our pid namespace.
	foreignIDs bool
}

// Open compiles and loads the program, opens the buffers and attaches the probes.
// It takes 0.05 to 0.2 s, and uses the working folder, stdout and stderr of the
// whole process meanwhile.
func Open(ctx context.Context, opts Options) (*Session, error) {
	code, err := kernel.CurrentVersion()
	if err != nil {
		return nil, err
	}
	version := uint32(code)
	if err := checkPrivilege(version); err != nil {
		return nil, err
	}
	var passed []string
	for _, kind := range opts.Probe.Order() {
		s, err := open(ctx, kind, version, opts)
		if err == nil {
			s.passed = passed
			return s, nil
		}
		if why := (*unavailable)(nil); !errors.As(err, &why) {
			return nil, err
		}
		passed = append(passed, fmt.Sprintf("%s: %v", kind, err))
	}
	return nil, fmt.Errorf("no probe can be used: %s", strings.Join(passed, "; "))
}

// unavailable wraps an error that means this kind of probe cannot be had on this
// kernel, while another may.
type unavailable struct{ error }

func (u *unavailable) Unwrap() error { return u.error }

// Hook says what the session is attached to.
func (s *Session) Hook() string { return s.hook }

// Also says what it is attached to besides, for opens that need it.
func (s *Session) Also() []string { return s.also }

// Passed tells of each probe that was tried in vain before, with its reason.
func (s *Session) Passed() []string { return s.passed }

// Unseen tells which opens do not show on this kernel, with the reason.
func (s *Session) Unseen() []string { return s.unseen }

// Compiled says where the program comes from.
func (s *Session) Compiled() *bcc.Result { return s.compiled }

// Keep puts the program into the cache, if it was compiled and is not there yet. It is
// not for the way to the first row: it may take some ms.
func (s *Session) Keep() error { return s.compiler.Keep(s.compiled) }

// BufferPages is the size of each CPU's buffer in pages.
func (s *Session) BufferPages() int { return s.pages }

func open(ctx context.Context, kind probe.Kind, version uint32, opts Options) (_ *Session, err error) {
	if kind == probe.Kprobe {
		if err := probe.Kprobes(os.DirFS("/")); err != nil {
			return nil, &unavailable{err}
		}
	}
	_, _, foreign := pidNamespace()
	s := &Session{
		fields:     opts.fields(),
		failed:     opts.Failed,
		paths:      opts.Paths,
		excluded:   opts.ExcludedPaths,
		foreignIDs: foreign,
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := opts.checkMaps(); err != nil {
		return nil, err
	}
	flags, err := flagsOf(kind, version, opts)
	if err != nil {
		return nil, err
	}
	s.compiler = NewCompiler(kernel.Version(version), opts.Cache)
	s.compiled, err = s.compiler.Compile(ctx, bcc.Source{Code: bpf.Source, Headers: bpf.Headers(), Flags: flags})
	if err != nil {
		return nil, err
	}
	opts.reached(Compiled)
	s.module, err = s.compiled.Object.Create(object.Options{Version: version, Pinned: opts.pinned()})
	if err != nil {
		return nil, err
	}
	atReturn := s.fields.Has(event.Result)
	for _, p := range programs[kind][atReturn] {
		if err := s.module.Load(p.name, p.kind); err != nil {
			return nil, err
		}
	}
	opts.reached(Loaded)
	if err := s.openMaps(opts); err != nil {
		return nil, err
	}
	if err := s.tell(opts); err != nil {
		return nil, err
	}
	switch kind {
	case probe.Kprobe:
		err = s.attachKprobes(version, atReturn)
	case probe.Tracepoint:
		err = s.attachTracepoints()
	}
	if err != nil {
		return nil, &unavailable{err}
	}
	s.attachIOUring(version)
	opts.reached(Attached)
	return s, nil
}

// NewCompiler returns a compiler for the running kernel.
func NewCompiler(version kernel.Version, folder *cache.Folder) *bcc.Compiler {
	return &bcc.Compiler{Cache: folder, Version: uint32(version), ProbeReadUser: kernel.HasHelper(asm.FnProbeReadUser)}
}

func (s *Session) openMaps(opts Options) (err error) {
	if s.pending, err = s.module.Map("pending"); err != nil {
		return err
	}
	if s.slots, err = s.module.Map("slots"); err != nil {
		return err
	}
	events, err := s.module.Map("events")
	if err != nil {
		return err
	}

	s.pages = opts.BufferPages
	if s.pages == 0 {
		s.pages = DefaultBufferPages
	}
	for {
		bytes := s.pages * os.Getpagesize()
		s.reader, err = perf.NewReaderWithOptions(events, bytes, perf.ReaderOptions{Watermark: bytes / watermarkPart})
		switch {
		case err == nil:
			return nil
		case opts.BufferPages == 0 && s.pages > 1 && errorIs(err, unix.EPERM, unix.ENOMEM):
			s.pages /= 2
		case errorIs(err, unix.EPERM):
			return fmt.Errorf("opening the perf buffers of %d pages per CPU: %w; this user may lock no more memory: use a smaller -b, or raise ulimit -l or kernel.perf_event_mlock_kb", s.pages, err)
		case errorIs(err, unix.EACCES):
			// Debian's and Ubuntu's kernels have a level above the usual 2, at which
			// CAP_PERFMON does not suffice.
			return fmt.Errorf("opening the perf buffers: %w; where kernel.perf_event_paranoid is above 2, this kernel asks for CAP_SYS_ADMIN in place of CAP_PERFMON: run it with sudo, or set sysctl kernel.perf_event_paranoid=2", err)
		case errorIs(err, unix.ENOMEM):
			return fmt.Errorf("opening the perf buffers of %d pages per CPU: %w; use a smaller -b", s.pages, err)
		default:
			return fmt.Errorf("opening the perf buffers: %w", err)
		}
	}
}

// tell writes into the slots what the program has to know of this run.
func (s *Session) tell(opts Options) error {
	if err := s.setSlot(slotSelf, uint64(os.Getpid())); err != nil {
		return err
	}
	if pid, ok := opts.onePID(); ok {
		return s.setSlot(slotPID, uint64(pid))
	}
	return nil
}

// errorIs looks for errnos in err's text too, because perf.Reader's errors do not
// wrap them.
func errorIs(err error, errnos ...unix.Errno) bool {
	return slices.ContainsFunc(errnos, func(errno unix.Errno) bool {
		return errors.Is(err, errno) || strings.HasSuffix(err.Error(), errno.Error())
	})
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
	if s.reader != nil {
		err = errors.Join(err, s.reader.Close())
		s.reader = nil
	}
	if s.module != nil {
		err = errors.Join(err, s.module.Close())
		s.module = nil
	}
	return err
}
