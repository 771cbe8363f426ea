// Package trace runs a tracing session: it hooks the kernel's opening of files
// and hands out the opens, as [event.Event]s in the order of time.
//
// [Open] makes everything ready; from then on every open is recorded.
// [Session.Run] hands them out until its context ends.
package trace

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/perf"
	"golang.org/x/sys/unix"

	"opensnoop/bpf"
	"opensnoop/internal/bcc"
	"opensnoop/internal/order"
	"opensnoop/internal/probe"
)

// Options choose what a session traces. The zero value traces everything by the
// best probe that the kernel has.
type Options struct {
	// Probe is the way to hook the kernel; "" is [probe.Auto]. A named one is not
	// replaced by another when it fails.
	Probe probe.Kind

	// PIDs are the processes (tgids) to trace; none means all. The kernel
	// compares them, so that the others' opens cost next to nothing.
	PIDs []uint32

	// BufferPages is the size of each CPU's buffer in pages, a power of two;
	// 0 is DefaultBufferPages, or as much of it as this process may lock.
	BufferPages int

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
	module   *bcc.Module
	reader   *perf.Reader
	calls    *ebpf.Map // calls whose name could not be read yet
	counters *ebpf.Map
	pages    int

	hook   string
	also   []string
	passed []string
	unseen []string

	sample    perf.Record
	queue     order.Queue
	reclaimed uint64 // calls taken out of the map here

	// The kernel's ids of calls are not those of our pid namespace.
	foreignIDs bool
}

// Indices into the BPF program's array of counters: enum counter.
const (
	counterLost      uint32 = 0
	counterWaiting   uint32 = 1
	counterReclaimed uint32 = 2
)

// Open compiles and loads the program, opens the buffers and attaches the probes.
// It takes 0.1 to 0.3 s, and uses the working folder, stdout and stderr of the
// whole process meanwhile.
func Open(opts Options) (*Session, error) {
	version, err := features.LinuxVersionCode()
	if err != nil {
		return nil, fmt.Errorf("reading the kernel's version: %w", err)
	}
	if err := checkPrivilege(version); err != nil {
		return nil, err
	}
	var passed []string
	for _, kind := range opts.Probe.Order() {
		s, err := open(kind, version, opts)
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

// BufferPages is the size of each CPU's buffer in pages.
func (s *Session) BufferPages() int { return s.pages }

// Source returns the C source that a session of these options compiles, and the
// flags it is compiled with. It needs no privilege.
func Source(opts Options) (code string, flags []string, err error) {
	version, err := features.LinuxVersionCode()
	if err != nil {
		return "", nil, fmt.Errorf("reading the kernel's version: %w", err)
	}
	kind := opts.Probe.Order()[0]
	if len(opts.Probe.Order()) > 1 && probe.Kprobes(os.DirFS("/")) != nil {
		kind = probe.Tracepoint
	}
	return bpf.Source, flagsOf(kind, version, opts), nil
}

// flagsOf specializes the BPF program; its head explains the macros.
func flagsOf(kind probe.Kind, version uint32, opts Options) []string {
	flags := []string{fmt.Sprintf("-DSELF=%d", os.Getpid())}
	switch kind {
	case probe.Kprobe:
		flags = append(flags, "-DPROBE_KPROBE")
	case probe.Tracepoint:
		flags = append(flags, "-DPROBE_TRACEPOINT")
		if runtime.GOARCH == "amd64" {
			// thread_info had no syscall_work before 5.11 (commit 3136b93c3fb2).
			offset := 16
			if version < 5<<16|11<<8 {
				offset = 8
			}
			flags = append(flags, fmt.Sprintf("-DTHREAD_STATUS=%d", offset))
		}
	}
	if dev, ino, ok := pidNamespace(); ok {
		flags = append(flags, fmt.Sprintf("-DPIDNS_DEV=%d", dev), fmt.Sprintf("-DPIDNS_INO=%d", ino))
	}
	if len(opts.PIDs) > 0 {
		pids := slices.Clone(opts.PIDs)
		slices.Sort(pids)
		var cases strings.Builder
		for _, pid := range slices.Compact(pids) {
			fmt.Fprintf(&cases, "case %d: ", pid)
		}
		flags = append(flags, "-DPIDS="+strings.TrimSpace(cases.String()))
	}
	return flags
}

// pidNamespace returns the device and inode of our pid namespace as the kernel
// numbers them, if it is not the first one, whose inode is fixed
// (PROC_PID_INIT_INO in include/linux/proc_ns.h).
func pidNamespace() (dev uint32, ino uint64, ok bool) {
	const first = 0xeffffffc
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &st); err != nil || st.Ino == first {
		return 0, 0, false
	}
	return unix.Major(st.Dev)<<20 | unix.Minor(st.Dev), st.Ino, true
}

// programs are what to load for each kind of probe.
var programs = map[probe.Kind]struct {
	kind  ebpf.ProgramType
	names []string
}{
	probe.Kprobe:     {ebpf.Kprobe, []string{"open_enter", "open_named", "open_return"}},
	probe.Tracepoint: {ebpf.RawTracepoint, []string{"syscall_enter", "syscall_exit"}},
}

func open(kind probe.Kind, version uint32, opts Options) (_ *Session, err error) {
	if kind == probe.Kprobe {
		if err := probe.Kprobes(os.DirFS("/")); err != nil {
			return nil, &unavailable{err}
		}
	}
	_, _, foreign := pidNamespace()
	s := &Session{foreignIDs: foreign}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	s.module, err = bcc.Compile(bcc.Source{
		Code:    bpf.Source,
		Headers: bpf.Headers(),
		Flags:   flagsOf(kind, version, opts),
	})
	if err != nil {
		return nil, err
	}
	opts.reached(Compiled)
	for _, name := range programs[kind].names {
		if err := s.module.Load(name, programs[kind].kind); err != nil {
			return nil, err
		}
	}
	opts.reached(Loaded)
	if err := s.openMaps(opts); err != nil {
		return nil, err
	}
	switch kind {
	case probe.Kprobe:
		err = s.attachKprobes(version)
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

func (s *Session) openMaps(opts Options) (err error) {
	if s.calls, err = s.module.Map("calls"); err != nil {
		return err
	}
	if s.counters, err = s.module.Map("counters"); err != nil {
		return err
	}
	events, err := s.module.Map("events")
	if err != nil {
		return err
	}
	defer events.Close()

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

// errorIs looks for errnos in err's text too, because perf.Reader's errors do not
// wrap them.
func errorIs(err error, errnos ...unix.Errno) bool {
	return slices.ContainsFunc(errnos, func(errno unix.Errno) bool {
		return errors.Is(err, errno) || strings.HasSuffix(err.Error(), errno.Error())
	})
}

// attachKprobes attaches the return first, so that no call that enters waits for
// a return that nothing sees.
func (s *Session) attachKprobes(version uint32) error {
	symbol := probe.OpenSymbol(version)
	if err := s.module.AttachKretprobe(symbol, "open_return"); err != nil {
		// Most kernels have the plain name: their large table of symbols, slow to
		// read, is looked at only where that is not so.
		renamed, findErr := findSymbol(symbol)
		if findErr != nil {
			return errors.Join(err, findErr)
		}
		if renamed == symbol {
			return err
		}
		symbol = renamed
		if err := s.module.AttachKretprobe(symbol, "open_return"); err != nil {
			return err
		}
	}
	s.hook = "kprobe on " + symbol
	// Best effort: without it a name that is not in memory at entry is read at the
	// return, which the kernel may skip when many calls are blocked.
	if err := s.module.AttachKprobe("do_filp_open", "open_named"); err == nil {
		s.also = append(s.also, "kprobe on do_filp_open")
	}
	return s.module.AttachKprobe(symbol, "open_enter")
}

func findSymbol(name string) (string, error) {
	kallsyms, err := os.Open("/proc/kallsyms")
	if err != nil {
		return "", fmt.Errorf("reading the kernel's symbols: %w", err)
	}
	defer kallsyms.Close()
	return probe.FindSymbol(kallsyms, name)
}

func (s *Session) attachTracepoints() error {
	s.hook = "raw tracepoints sys_enter and sys_exit"
	if err := s.module.AttachRawTracepoint("sys_exit", "syscall_exit"); err != nil {
		return err
	}
	return s.module.AttachRawTracepoint("sys_enter", "syscall_enter")
}

// attachIOUring hooks the opens that come through io_uring. It is best effort: a
// kernel may have none, and before 6.0 its tracepoint has other arguments.
func (s *Session) attachIOUring(version uint32) {
	var err error
	if version < 6<<16 {
		err = errors.New("the kernel is older than 6.0")
	} else if err = s.module.Load("uring_submit", ebpf.RawTracepoint); err == nil {
		for _, tracepoint := range []string{"io_uring_submit_req", "io_uring_submit_sqe"} {
			if err = s.module.AttachRawTracepoint(tracepoint, "uring_submit"); err == nil {
				s.also = append(s.also, "raw tracepoint "+tracepoint)
				return
			}
		}
	}
	s.unseen = append(s.unseen, fmt.Sprintf("opens through io_uring: %v", err))
}

// detach takes all probes away; what they recorded can still be read.
func (s *Session) detach() error {
	if s.module == nil {
		return nil
	}
	err := s.module.Close()
	s.module = nil
	if err != nil {
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
	for _, m := range []*ebpf.Map{s.calls, s.counters} {
		if m != nil {
			m.Close()
		}
	}
	s.calls, s.counters = nil, nil
	return err
}
