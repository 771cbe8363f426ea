package trace

import (
	"fmt"
	"slices"
	"strings"

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

// load loads the programs of the probe's hooks, and of opens through io_uring, without which it
// can be. It returns the hooks less those that can be done without, and for whose function the
// kernel takes no program.
func (s *Session) load(hooks []probe.Hook, version kernel.Version) ([]probe.Hook, error) {
	s.uring, s.uringErr = probe.IOUring(version, s.fields.Has(event.Result))
	needed, optional := programs(hooks), programs(s.uring)
	if len(s.filter.Roots) > 0 {
		needed = append(needed, programs([]probe.Hook{probe.Exits, *s.probe.Forks})...)
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
	if s.execs && len(s.probe.Execs) == 0 && s.fields.Has(event.Path) {
		addTail(execTail, probe.RawTracepoint)
	}
	errs := s.module.LoadAll(slices.Concat(needed, optional))
	for i, err := range errs {
		switch {
		case err == nil:
		case i >= len(needed):
			s.uringErr = err
		case needed[i].Function == "":
			return nil, err
		default:
			at := slices.IndexFunc(hooks, func(h probe.Hook) bool { return loading(&h) == needed[i] })
			if !hooks[at].Optional {
				return nil, &unavailable{err}
			}
			hooks = slices.Delete(hooks, at, at+1)
		}
	}
	for _, t := range tails {
		if err := s.module.SetTail(t.array, t.program); err != nil {
			return nil, err
		}
	}
	return hooks, nil
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

// loading is the program of a hook.
func loading(h *probe.Hook) object.Loading {
	l := object.Loading{Program: h.Program, Kind: h.Kind.ProgramType()}
	if h.Trampoline() {
		l.Attach, l.Function, l.Number = h.Kind.AttachType(), h.At[0], h.Number
	}
	return l
}

// place sets where hooks attach by trampolines, to the first of their functions whose type has a
// number, and leaves out those that have none and can be done without.
func place(hooks []probe.Hook, numbers map[string]uint32) ([]probe.Hook, error) {
	var placed []probe.Hook
	for _, h := range hooks {
		if h.Trampoline() {
			i := slices.IndexFunc(h.At, func(at string) bool { return numbers[at] != 0 })
			switch {
			case i >= 0:
				h.At, h.Number = h.At[i:i+1], numbers[h.At[i]]
			case h.Optional:
				continue
			default:
				return nil, fmt.Errorf("the kernel's types have no function %s", strings.Join(h.At, " or "))
			}
		}
		placed = append(placed, h)
	}
	return placed, nil
}

// programs are those of hooks, each once.
func programs(hooks []probe.Hook) []object.Loading {
	var programs []object.Loading
	for i := range hooks {
		p := loading(&hooks[i])
		if !slices.Contains(programs, p) {
			programs = append(programs, p)
		}
	}
	return programs
}
