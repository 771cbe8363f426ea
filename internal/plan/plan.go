// Package plan decides what the BPF program of a session is, and where it attaches.
//
// It is pure: what was asked for and facts about the kernel go in, and a [Plan] comes out, which
// internal/trace runs. Nothing else decides. One fact is asked for only when it is needed:
// [kernel.Facts.Locks].
package plan

import (
	"fmt"
	"slices"
	"strings"

	"opensnoop/bpf"
	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/kernel"
	"opensnoop/internal/probe"
)

// Options are what was asked for. The zero value is everything, by the best probe that the kernel
// has.
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

	// Lookups is whether calls are shown, too, that only look for a file, as stat(2) does. They need
	// event.Result.
	Lookups bool

	// Filter chooses the opens to show.
	Filter filter.Filter

	// Gated is whether the session can give way to another, or take over from one.
	Gated bool
}

// Plan is what a session of one probe does.
type Plan struct {
	Probe  *probe.Probe
	Filter filter.Filter
	Fields event.Fields // that records have
	Execs  bool         // files that are opened to execute programs are shown

	Arch      string        // of the machine, by Go's name
	Macros    []string      // of the BPF program, as NAME or NAME=value
	Types     []kernel.Fact // more of them, which the kernel's types tell
	Functions []string      // whose types' numbers the hooks need

	// The hooks, in the order of attaching. Those of Opens are the probe's own.
	Cgroups   []probe.Hook // see cgroups made
	Followed  []probe.Hook // see processes begin and end, to follow them
	Ends      []probe.Hook // see those end that are traced by their numbers
	Arguments []probe.Hook // see programs executed
	Opens     []probe.Hook
	IOUring   []probe.Hook // see opens through io_uring; without them a session can be
	NoIOUring error        // why there are none

	Tails    []Tail
	NotShown []string // opens that do not show, with the reason

	// Locks is where rename_lock and mount_lock are, whose counts walks compare; nil if the kernel does not tell.
	Locks []uint64

	// BeginsNamed is whether calls begin where the kernel has its copy of their name.
	BeginsNamed bool

	// ForeignIDs is whether the kernel's ids of calls are not those of our pid namespace.
	ForeignIDs bool
}

// Tail is a program that others go on with by a tail call, as they do to walk folders: it is in
// the map Array, and of the same kind as those that go on with it.
type Tail struct {
	Array, Program string
	Kind           probe.Kind
	Copy           string // not "": it is a copy, with this before its name and those of its own maps
	Later          bool   // it can be loaded when the session runs
}

// Name is that of the program, or of its copy.
func (t *Tail) Name() string { return t.Copy + t.Program }

// URing begins the names of what only opens through io_uring have: the kernel does not take one program for
// two kinds.
const URing = "uring_"

// Rejected is a probe that cannot be taken, with the reason.
type Rejected struct{ Probe, Why string }

// Results reports whether records leave at the end of calls.
func (p *Plan) Results() bool { return p.Fields.Has(event.Result) }

// seesNames reports whether programs see the kernel's copies of names.
func (p *Plan) seesNames() bool {
	return slices.ContainsFunc(p.Opens, func(h probe.Hook) bool { return h.SetsFlag == probe.CopiedNames })
}

// Programs are those of the BPF program, each once.
func (p *Plan) Programs() []bpf.Program {
	var programs []bpf.Program
	add := func(name string, kind probe.Kind) {
		if made := (bpf.Program{Name: name, Context: kind.Context()}); !slices.Contains(programs, made) {
			programs = append(programs, made)
		}
	}
	for _, h := range slices.Concat(p.Cgroups, p.Followed, p.Ends, p.Arguments, p.Opens, p.IOUring) {
		add(h.Program, h.Kind)
	}
	for _, t := range p.Tails {
		if t.Copy == "" {
			add(t.Program, t.Kind)
		}
	}
	return programs
}

// New returns the plans for the probes that can serve the options, in the order to try them, and why
// each other one cannot. There is an error if the kernel cannot tell what is asked for.
func New(o Options, f *kernel.Facts) (plans []*Plan, rejected []Rejected, err error) {
	fields := fieldsFor(&o, f)
	if err := check(&o, fields, f); err != nil {
		return nil, nil, err
	}
	for _, p := range probe.Choose(o.Probe) {
		err := p.Detect(f)
		if err == nil && p.Supports != nil {
			err = p.Supports(probe.Request{Fields: fields, Execs: o.Execs, Lookups: o.Lookups, Named: o.Probe == p.Name, Gated: o.Gated}, f)
		}
		if err != nil {
			rejected = append(rejected, Rejected{p.Name, err.Error()})
			continue
		}
		plans = append(plans, planFor(p, &o, fields, f))
	}
	return plans, rejected, nil
}

// fieldsFor are those that records need for what is shown and for the filters.
func fieldsFor(o *Options, f *kernel.Facts) event.Fields {
	fields := o.Filter.Fields()
	// Without BTF the filters use the thread's comm and the names as passed.
	if f.Types != nil {
		fields &^= event.Process | event.Path
	}
	fields |= o.Fields
	if fields&(event.Exe|event.File) != 0 {
		fields |= event.Path // which walks for them
	}
	if fields&(event.File|event.Took) != 0 || o.Execs || o.Lookups {
		fields |= event.Result
	}
	return fields
}

// unset are the macros that choose what is in the BPF program, as they are where a plan does not set them.
var unset = []string{
	"TYPED_PARMS=0", "DO_SYS_OPEN=0", "PIDNS_DEV=0", "PIDNS_INO=0", "FIELDS=0", "NUMBERS=0", "FILL_NUMBERS=", "TASK_REGS=0", "EXECS=0", "LOOKUPS=0", "GATED=0", "BEGINS_NAMED=0", "LOCKS=0", "URING_COMPLETE_ARGUMENTS=4",
}

// Defines are all macros of the BPF program but those of Types: it needs no #ifdef.
func (p *Plan) Defines() []string { return Complete(p.Macros, p.Types) }

// Complete returns macros, as NAME or NAME=value, and behind them all others that there are, as they are
// unset. The compiler adds those of types.
func Complete(macros []string, types []kernel.Fact) []string {
	set := make(map[string]bool)
	for _, f := range types {
		set[f.Macro] = true
	}
	complete := slices.Clone(macros)
	for _, macro := range macros {
		set[nameOf(macro)] = true
	}
	others := append(filter.Reads(macros), event.FieldMacros()...)
	for _, p := range probe.Probes {
		others = append(others, "PROBE_"+strings.ToUpper(p.Name)+"=0")
	}
	for _, macro := range slices.Concat(others, unset, filter.Unset, noOffsets()) {
		if name := nameOf(macro); !set[name] {
			complete, set[name] = append(complete, macro), true
		}
	}
	return complete
}

// nameOf is the name of a macro.
func nameOf(macro string) string {
	name, _, _ := strings.Cut(macro, "=")
	return name
}

// planFor returns the plan for a probe that can serve the options.
func planFor(p *probe.Probe, o *Options, fields event.Fields, f *kernel.Facts) *Plan {
	plan := &Plan{
		Probe: p, Filter: o.Filter, Fields: fields, Execs: o.Execs, Arch: f.Arch,
		ForeignIDs: f.Namespace != kernel.PIDNamespace{},
	}
	if fields.Has(event.Path) && f.Version >= kernel.NewVersion(6, 2, 0) { // before, that takes some ms
		plan.Locks = f.Locks()
	}
	plan.addHooks(f)
	// With a filter the entry costs less: what it leaves out goes no further.
	if p.BeginNamed != nil && !fields.Has(event.Took) && !o.Gated && !o.Filter.Narrows() {
		if hooks := p.BeginNamed(f); hooks != nil {
			plan.Opens, plan.BeginsNamed = hooks, true
		}
	}
	plan.addTails()
	plan.addMacros(f)
	if o.Lookups {
		plan.Macros = append(plan.Macros, "LOOKUPS")
	}
	if plan.BeginsNamed {
		plan.Macros = append(plan.Macros, "BEGINS_NAMED")
	}
	if plan.Locks != nil {
		plan.Macros = append(plan.Macros, "LOCKS")
	}
	if o.Gated {
		plan.Macros = append(plan.Macros, "GATED")
	}
	plan.Types = typesFor(plan, f)
	plan.Functions = probe.Functions(plan.Opens)
	return plan
}

// addHooks sets what is attached.
func (p *Plan) addHooks(f *kernel.Facts) {
	p.Opens = p.Probe.Hooks(f, p.Results())
	if p.Execs && p.Probe.Execs == nil {
		p.NotShown = append(p.NotShown, "loaders of programs, and interpreters of interpreters, which only kprobes show")
	} else if p.Execs {
		p.Opens = slices.Insert(p.Opens, 1, p.Probe.Execs(f.Arch)...)
	}
	p.IOUring, p.NoIOUring = probe.IOUring(f.Version, p.Results())
	if len(p.Filter.Roots) > 0 {
		p.Followed = []probe.Hook{probe.Exits, *p.Probe.Forks}
	}
	if len(p.Filter.PIDs) > 0 && p.Followed == nil && f.Types == nil {
		p.Ends = []probe.Hook{probe.Exits}
	}
	if p.Execs || p.Fields.Has(event.Args) {
		p.Arguments = append(p.Arguments, probe.Exec)
	}
	if p.Fields.Has(event.Args) && p.Followed == nil {
		p.Arguments = append(p.Arguments, *p.Probe.Forks)
	}
	if p.Fields.Has(event.Cgroup) {
		p.Cgroups = []probe.Hook{probe.Cgroups}
	}
}

// addTails sets the programs that walk folders.
func (p *Plan) addTails() {
	if !p.Fields.Has(event.Path) {
		return
	}
	p.Tails = append(p.Tails, Tail{Array: "walks", Program: "walk_enter", Kind: p.Opens[len(p.Opens)-1].Kind})
	if p.Fields.Has(event.File) {
		p.Tails = append(p.Tails, Tail{Array: "file_walks", Program: "walk_return", Kind: probe.RawTracepoint})
	}
	if p.Execs && p.Probe.Execs == nil {
		p.Tails = append(p.Tails, Tail{Array: "exec_walks", Program: "walk_exec", Kind: probe.RawTracepoint})
	}
	if p.NoIOUring == nil {
		// What is rare is not to hold up the start.
		p.Tails = append(p.Tails, Tail{Array: URing + "walks", Program: "walk_enter", Kind: probe.RawTracepoint, Copy: URing, Later: true})
	}
}

// addMacros sets those that specialize the BPF program; its head explains them.
func (p *Plan) addMacros(f *kernel.Facts) {
	p.Macros = p.Probe.Macros(f)
	define := func(name string, value any) { p.Macros = append(p.Macros, fmt.Sprintf("%s=%v", name, value)) }
	if f.Arch == "amd64" {
		// thread_info had no syscall_work before 5.11 (commit 3136b93c3fb2).
		offset := 16
		if f.Version < kernel.NewVersion(5, 11, 0) {
			offset = 8
		}
		define("THREAD_STATUS", offset)
	}
	if p.ForeignIDs {
		define("PIDNS_DEV", f.Namespace.Dev)
		define("PIDNS_INO", f.Namespace.Ino)
	}
	p.Macros = append(p.Macros, p.Fields.Macros()...)
	if f.TaskRegs {
		p.Macros = append(p.Macros, "TASK_REGS")
	}
	if p.Execs {
		p.Macros = append(p.Macros, "EXECS")
	}
	if p.Results() && f.Version >= kernel.NewVersion(6, 18, 0) {
		define("URING_COMPLETE_ARGUMENTS", 3)
	}
	p.Macros = append(p.Macros, p.Filter.Macros(p.Fields)...)
}
