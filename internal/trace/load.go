package trace

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"opensnoop/internal/object"
	"opensnoop/internal/plan"
	"opensnoop/internal/probe"
)

// create makes the maps of the compiled object, with those that are pinned at these paths, by the maps' names.
func (s *Session) create(pinned map[string]string) (err error) {
	for _, t := range s.plan.Tails {
		if t.Copy == "" {
			continue
		}
		if err := s.compiled.Object.Copy(t.Program, t.Copy); err != nil {
			return err
		}
	}
	s.module, err = s.compiled.Object.Create(object.Options{
		Version: s.compiler.Version, Pinned: pinned, SessionIsReturn: s.compiled.Functions[probe.SessionIsReturn],
	})
	return err
}

// load loads the programs of the plan's hooks, less those of opens through io_uring if the kernel does
// not take them. It returns the probe's own hooks, less those that can be done without, and for whose
// function the kernel takes no program.
func (s *Session) load() ([]probe.Hook, error) {
	p := s.plan
	hooks, err := resolveTrampolines(p.Opens, s.compiled.Functions)
	if err != nil {
		return nil, &unavailable{err}
	}
	var needed []object.Loading
	for _, t := range p.Tails { // first, as they take long to verify
		if !t.Later {
			needed = append(needed, tailLoading(t))
		}
	}
	needed = append(needed, programs(slices.Concat(hooks, p.Followed, p.Ends, p.Cgroups, p.Arguments))...)
	errs := s.module.LoadAll(slices.Concat(needed, programs(p.IOUring)))
	for i, err := range errs {
		switch {
		case err == nil:
		case i >= len(needed):
			s.noIOUring = err
		case needed[i].Attach == ebpf.AttachNone:
			return nil, err
		case needed[i].Function == "":
			return nil, &unavailable{err}
		default:
			at := slices.IndexFunc(hooks, func(h probe.Hook) bool { return loading(&h) == needed[i] })
			if !hooks[at].Optional {
				return nil, &unavailable{err}
			}
			hooks = slices.Delete(hooks, at, at+1)
		}
	}
	for _, t := range p.Tails {
		if t.Later {
			continue
		}
		if err := s.module.SetTail(t.Array, t.Name()); err != nil {
			return nil, err
		}
	}
	return hooks, nil
}

// loadLater loads what would hold up the start for what is rare: until then, opens through
// io_uring show without their path, and if the kernel refuses it, they go on to.
func (s *Session) loadLater() {
	for _, t := range s.plan.Tails {
		if t.Later && s.noIOUring == nil && s.module.LoadAll([]object.Loading{tailLoading(t)})[0] == nil {
			s.module.SetTail(t.Array, t.Name())
		}
	}
}

func tailLoading(t plan.Tail) object.Loading {
	return object.Loading{Program: t.Name(), Kind: t.Kind.ProgramType(), Attach: t.Kind.AttachType()}
}

// loading is the program of a hook.
func loading(h *probe.Hook) object.Loading {
	l := object.Loading{Program: h.Program, Kind: h.Kind.ProgramType(), Attach: h.Kind.AttachType()}
	if h.Trampoline() {
		l.Function, l.Number = h.At[0], h.Number
	}
	return l
}

// resolveTrampolines sets where hooks attach by trampolines, to the first of their functions whose
// type has a number, and leaves out those that have none and can be done without.
func resolveTrampolines(hooks []probe.Hook, numbers map[string]uint32) ([]probe.Hook, error) {
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
