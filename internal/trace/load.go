package trace

import (
	"slices"

	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
	"opensnoop/internal/probe"
)

// A tail is a program that others go on with by a tail call, as they do to walk folders: it is in
// a map, and of the same kind as those that go on with it.
type tail struct{ array, program string }

var (
	entryTail = tail{"walks", "walk_enter"}
	endTail   = tail{"file_walks", "walk_return"}
	execTail  = tail{"exec_walks", "walk_exec"}
	uringTail = tail{"uring_walks", "walk_submit"}
)

// load loads the programs of a probe's hooks, and of opens through io_uring, without which it
// can be.
func (s *Session) load(p *probe.Probe, hooks []probe.Hook, version kernel.Version) error {
	s.uring, s.uringErr = probe.IOUring(version, s.fields.Has(event.Result))
	needed, optional := programs(hooks), programs(s.uring)
	if len(s.filter.Roots) > 0 {
		needed = append(needed, programs([]probe.Hook{probe.Exits, *s.forks})...)
	}
	needed = append(needed, s.cgroupPrograms()...)
	needed = append(needed, s.execPrograms()...)
	var tails []tail
	addTail := func(t tail, kind probe.Kind) {
		tails = append(tails, t)
		needed = append([]object.Loading{{Program: t.program, Kind: kind.ProgramType()}}, needed...)
	}
	if s.fields.Has(event.Path) {
		addTail(entryTail, hooks[len(hooks)-1].Kind)
	}
	if s.fields.Has(event.File) {
		addTail(endTail, probe.RawTracepoint)
	}
	if s.execs && len(p.Execs) == 0 && s.fields.Has(event.Path) {
		addTail(execTail, probe.RawTracepoint)
	}
	errs := s.module.LoadAll(slices.Concat(needed, optional))
	for _, l := range needed {
		if err := errs[l.Program]; err != nil {
			return err
		}
	}
	for _, l := range optional {
		if err := errs[l.Program]; err != nil {
			s.uringErr = err
		}
	}
	for _, t := range tails {
		if err := s.module.SetTail(t.array, t.program); err != nil {
			return err
		}
	}
	return nil
}

// loadLater loads what would hold up the start for what is rare: until then, opens through
// io_uring show without their path, and if the kernel refuses it, they go on to.
func (s *Session) loadLater() {
	if !s.fields.Has(event.Path) || s.uringErr != nil {
		return
	}
	if s.module.Load(uringTail.program, probe.RawTracepoint.ProgramType()) == nil {
		s.module.SetTail(uringTail.array, uringTail.program)
	}
}

// programs are those of hooks, each once.
func programs(hooks []probe.Hook) []object.Loading {
	var programs []object.Loading
	for i := range hooks {
		p := object.Loading{Program: hooks[i].Program, Kind: hooks[i].Kind.ProgramType()}
		if !slices.Contains(programs, p) {
			programs = append(programs, p)
		}
	}
	return programs
}
