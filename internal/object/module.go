package object

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"opensnoop/internal/kernel"
)

// Options are what an object's life in the kernel depends on. The zero value serves
// all but kprobes on kernels before 5.0.
type Options struct {
	// Version is the running kernel's, which Linux before 5.0 compares with that of
	// a kprobe program.
	Version kernel.Version

	// Pinned are the paths of maps to use in place of new ones, by the maps' names.
	Pinned map[string]string

	// SessionIsReturn is the number of the type of the kernel's function bpf_session_is_return, for
	// programs that call it.
	SessionIsReturn uint32
}

// sessionIsReturn is what they call it by: SESSION_IS_RETURN in <opensnoop/session.h>.
const sessionIsReturn = 0x5e551

// Module is an object in the kernel. It is not safe for concurrent use.
type Module struct {
	object   *Object
	options  Options
	maps     []bpfMap // as in the object; nil of one that nobody uses
	programs map[loaded]*ebpf.Program
	links    []link.Link

	multis       []multi           // of links, those by ftrace
	missedBefore map[string]uint64 // what those told that are closed, by their programs
}

// Create makes the object's maps that programs refer to.
func (o *Object) Create(opts Options) (*Module, error) {
	opts.Version = max(opts.Version, 1)
	m := &Module{object: o, options: opts, maps: make([]bpfMap, len(o.Maps)), programs: make(map[loaded]*ebpf.Program), missedBefore: make(map[string]uint64)}
	for i, used := range o.used() {
		if !used {
			continue
		}
		var err error
		if m.maps[i], err = o.Maps[i].create(opts.Pinned[o.Maps[i].Name], m.options.Version); err != nil {
			m.Close()
			return nil, err
		}
	}
	return m, nil
}

// retryWithoutMemlock calls f, and again without a limit of locked memory if it may not do what
// it does: before countsNoLocked maps and programs count against that limit.
func retryWithoutMemlock[T any](f func() (T, error)) (T, error) {
	made, err := f()
	if !errors.Is(err, unix.EPERM) {
		return made, err
	}
	infinite := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if unix.Setrlimit(unix.RLIMIT_MEMLOCK, &infinite) != nil {
		return made, err
	}
	return f()
}

// Map returns a map of the object by its name, which is no per-CPU map, and makes it if no program
// refers to it. It is the module's, and closed with it.
func (m *Module) Map(name string) (*ebpf.Map, error) {
	i, ok := m.object.index(name)
	if !ok {
		return nil, fmt.Errorf("the BPF program has no map %s", name)
	}
	if m.maps[i] == nil {
		var err error
		if m.maps[i], err = m.object.Maps[i].create("", m.options.Version); err != nil {
			return nil, err
		}
	}
	made, ok := m.maps[i].(*ebpf.Map)
	if !ok {
		return nil, fmt.Errorf("the map %s is for BPF programs only", name)
	}
	return made, nil
}

// Load loads a program of the object by its name, as one of that kind, if it is not yet. When the
// verifier refuses it, the error is an [*Error] with the verifier's log.
func (m *Module) Load(name string, kind ebpf.ProgramType) error {
	return m.LoadAll([]Loading{{Program: name, Kind: kind}})[0]
}

// Loading is a program to load, and what the kernel is to take it for. One for trampolines is
// loaded for a single function, by the number of that one's type, and as often as there are such.
type Loading struct {
	Program  string
	Kind     ebpf.ProgramType
	Attach   ebpf.AttachType
	Function string
	Number   uint32
}

// loaded is what a loaded program is found by: its name, and the function that it is for.
type loaded struct{ program, function string }

func (l loaded) String() string {
	if l.function == "" {
		return l.program
	}
	return l.program + " for " + l.function
}

// LoadAll is [Module.Load] of several programs on all CPUs, best with those first that the
// kernel takes longest to verify. It returns the error of each, nil of one that was taken.
func (m *Module) LoadAll(programs []Loading) []error {
	made := make([]*ebpf.Program, len(programs))
	errs := make([]error, len(programs))
	var next atomic.Int32
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(programs)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(programs); i = int(next.Add(1)) - 1 {
				if p := &programs[i]; m.programs[loaded{p.Program, p.Function}] == nil {
					made[i], errs[i] = m.load(p)
				}
			}
		})
	}
	workers.Wait()
	for i, p := range programs {
		if made[i] != nil {
			m.programs[loaded{p.Program, p.Function}] = made[i]
		}
	}
	return errs
}

// loadAs loads a program with these instructions.
func (m *Module) loadAs(l *Loading, step string, instructions asm.Instructions) (*ebpf.Program, error) {
	load := func() (*ebpf.Program, error) { return m.loadFor(l, instructions) }
	if l.Function == "" {
		spec := &ebpf.ProgramSpec{
			Name: l.Program, Type: l.Kind, AttachType: l.Attach, Instructions: instructions,
			License: m.object.License, KernelVersion: uint32(m.options.Version),
		}
		load = func() (*ebpf.Program, error) { return ebpf.NewProgram(spec) }
	}
	made, err := retryWithoutMemlock(load)
	if err == nil {
		return made, nil
	}
	failed := refused(step, err, m.options.Version)
	if log := (*ebpf.VerifierError)(nil); errors.As(err, &log) {
		failed.Messages = fmt.Sprintf("%+v", log)
	} else if own := (*Error)(nil); errors.As(err, &own) {
		failed.Messages = own.Messages
	}
	return nil, failed
}

// kernelFunction is set in the number of a helper that is none, but a function of the kernel by the
// number of its type; opensnoop/task.h has the same.
const kernelFunction = 1 << 27

// instructions are a program's, with the maps that they refer to.
func (m *Module) instructions(p *Program) (asm.Instructions, error) {
	instructions, err := asm.AppendInstructions(
		make(asm.Instructions, 0, len(p.Instructions)/asm.InstructionSize),
		bytes.NewReader(p.Instructions), order, "linux")
	if err != nil {
		return nil, fmt.Errorf("decoding it: %w", err)
	}
	for i := range instructions {
		ins := &instructions[i]
		switch {
		case !ins.IsBuiltinCall():
		case ins.Constant == sessionIsReturn:
			ins.Src, ins.Constant = asm.PseudoKfuncCall, int64(m.options.SessionIsReturn)
		case ins.Constant&kernelFunction != 0:
			ins.Src, ins.Constant = asm.PseudoKfuncCall, ins.Constant&^kernelFunction
		}
		if ins.IsLoadFromMap() {
			index := int(uint32(ins.Constant))
			if index >= len(m.maps) {
				return nil, fmt.Errorf("it refers to the map %d of %d", index, len(m.maps))
			}
			if err := ins.AssociateMap(m.maps[index]); err != nil {
				return nil, err
			}
		}
	}
	return instructions, nil
}

// AttachKprobe runs a loaded program at the entry of a kernel function. The probe is a
// perf event's: nothing of it is in tracefs, and it goes with this process, however
// that ends.
func (m *Module) AttachKprobe(symbol, program string) error {
	return m.attach(symbol, loaded{program: program}, func(p *ebpf.Program) (link.Link, error) { return link.Kprobe(symbol, p, nil) })
}

// AttachKretprobe runs a loaded program at the return of a kernel function. The
// kernel keeps an instance for each call under way, twice as many as there are
// CPUs and at least 10 (kernel/kprobes.c); returns of calls beyond go unseen.
func (m *Module) AttachKretprobe(symbol, program string) error {
	return m.attach(symbol, loaded{program: program}, func(p *ebpf.Program) (link.Link, error) { return link.Kretprobe(symbol, p, nil) })
}

// AttachTrampoline runs a program at the entry or the return of the kernel function that it was
// loaded for.
func (m *Module) AttachTrampoline(function, program string) error {
	return m.attach(function, loaded{program, function}, func(p *ebpf.Program) (link.Link, error) {
		return link.AttachTracing(link.TracingOptions{Program: p})
	})
}

// AttachRawTracepoint runs a loaded program at a tracepoint of the kernel.
func (m *Module) AttachRawTracepoint(tracepoint, program string) error {
	return m.attach(tracepoint, loaded{program: program}, func(p *ebpf.Program) (link.Link, error) {
		return link.AttachRawTracepoint(link.RawTracepointOptions{Name: tracepoint, Program: p})
	})
}

func (m *Module) attach(to string, program loaded, attach func(p *ebpf.Program) (link.Link, error)) error {
	p, ok := m.programs[program]
	if !ok {
		return fmt.Errorf("attaching to %s: the BPF program %s is not loaded", to, program)
	}
	l, err := attach(p)
	if err != nil {
		return &Error{Step: "attaching to " + to, Err: cause(err)}
	}
	m.links = append(m.links, l)
	return nil
}

// SetTail makes a loaded program the one that a program array of the object has: what programs
// go on with that make a tail call of it.
func (m *Module) SetTail(array, program string) error {
	p, ok := m.programs[loaded{program: program}]
	if !ok {
		return fmt.Errorf("setting a tail call: the BPF program %s is not loaded", program)
	}
	tails, err := m.Map(array)
	if err != nil {
		return err
	}
	if err := tails.Put(uint32(0), p); err != nil {
		return &Error{Step: "setting the tail call of " + program, Err: cause(err)}
	}
	return nil
}

// ProgramID is the kernel's number of a loaded program. Asking for it needs
// CAP_SYS_ADMIN.
func (m *Module) ProgramID(name string) (ebpf.ProgramID, error) {
	p, ok := m.programs[loaded{program: name}]
	if !ok {
		return 0, fmt.Errorf("the BPF program %s is not loaded", name)
	}
	info, err := p.Info()
	if err != nil {
		return 0, fmt.Errorf("looking at the BPF program %s: %w", name, err)
	}
	id, ok := info.ID()
	if !ok {
		return 0, fmt.Errorf("looking at the BPF program %s: the kernel tells no id", name)
	}
	return id, nil
}

// Misses is how often the kernel has skipped a loaded program where it should have run, as
// when it runs on the same CPU already. Linux counts that since 5.12, of kprobes since 6.7;
// before, it is 0. Of one that is loaded for several functions it is the sum.
func (m *Module) Misses(name string) (uint64, error) {
	misses, err := m.missed(name)
	if err != nil {
		return 0, err
	}
	found := false
	for l, p := range m.programs {
		if l.program != name {
			continue
		}
		found = true
		stats, err := p.Stats()
		if err != nil {
			return 0, fmt.Errorf("asking how often the BPF program %s was skipped: %w", l, err)
		}
		misses += stats.RecursionMisses
	}
	if !found {
		return 0, fmt.Errorf("the BPF program %s is not loaded", name)
	}
	return misses, nil
}

// Detach takes all programs away, the last attached first: none runs after it. The programs and maps
// stay.
func (m *Module) Detach() error {
	var errs []error
	for _, l := range slices.Backward(m.links) {
		m.keepMissed(l)
		errs = append(errs, l.Close())
	}
	m.links = nil
	return errors.Join(errs...)
}

// Close detaches all programs and frees them and the maps.
func (m *Module) Close() error {
	errs := []error{m.Detach()}
	for _, p := range m.programs {
		errs = append(errs, p.Close())
	}
	m.programs = nil
	for _, made := range m.maps {
		if made != nil {
			errs = append(errs, made.Close())
		}
	}
	m.maps = nil
	return errors.Join(errs...)
}
