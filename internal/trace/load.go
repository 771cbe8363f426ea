package trace

import (
	"slices"

	"github.com/cilium/ebpf"

	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
	"opensnoop/internal/probe"
)

// Programs that walk folders go on with another one by a tail call. It is found in a map, and
// of the same kind as those that go on with it.
const (
	walks      = "walks"
	walkEnter  = "walk_enter"
	uringWalks = "uring_walks"
	walkSubmit = "walk_submit"
	fileWalks  = "file_walks"
	walkReturn = "walk_return"
)

// load loads the programs of a probe's hooks, and of opens through io_uring, without which it
// can be.
func (s *Session) load(hooks []probe.Hook, version kernel.Version) error {
	s.uring, s.uringErr = probe.IOUring(version, s.fields.Has(event.Result))
	needed, optional := programs(hooks), programs(s.uring)
	if len(s.filter.Roots) > 0 {
		needed = append(needed, programs(probe.Follow)...)
	}
	if s.fields.Has(event.Path) {
		needed = append([]object.Loading{{Program: walkEnter, Kind: hooks[len(hooks)-1].Kind.ProgramType()}}, needed...)
	}
	if s.fields.Has(event.File) {
		needed = append([]object.Loading{{Program: walkReturn, Kind: ebpf.RawTracepoint}}, needed...)
	}
	errs := s.module.LoadAll(slices.Concat(optional, needed))
	for _, p := range needed {
		if err := errs[p.Program]; err != nil {
			return err
		}
	}
	for _, p := range optional {
		if err := errs[p.Program]; err != nil {
			s.uringErr = err
		}
	}
	if !s.fields.Has(event.Path) {
		return nil
	}
	if s.fields.Has(event.File) {
		if err := s.module.SetTail(fileWalks, 0, walkReturn); err != nil {
			return err
		}
	}
	return s.module.SetTail(walks, 0, walkEnter)
}

// loadLater loads what would hold up the start for what is rare: until then, opens through
// io_uring show without their path.
func (s *Session) loadLater() error {
	if !s.fields.Has(event.Path) || s.uringErr != nil {
		return nil
	}
	if err := s.module.Load(walkSubmit, ebpf.RawTracepoint); err != nil {
		return err
	}
	return s.module.SetTail(uringWalks, 0, walkSubmit)
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
