package object

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"opensnoop/internal/kernel"
)

// multi is a link by ftrace, which counts the calls for which it did not get to the program.
type multi struct {
	program string
	link    link.Link
}

func (l *multi) missed() (uint64, error) {
	info, err := l.link.Info()
	if err != nil {
		return 0, fmt.Errorf("asking how often the BPF program %s was missed: %w", l.program, err)
	}
	if of := info.KprobeMulti(); of != nil {
		return of.Missed, nil
	}
	return 0, nil
}

// AttachMulti runs a loaded program at the entry of a kernel function, as [Module.AttachKprobe] does,
// but by ftrace, which costs less.
func (m *Module) AttachMulti(symbol, program string) error {
	return m.attachMulti(program, link.KprobeMulti, link.KprobeMultiOptions{Symbols: []string{symbol}})
}

// AttachReturnMulti does so at the return of a kernel function. Since sessionsHaveStacks nothing limits how
// many calls of it may be under way.
func (m *Module) AttachReturnMulti(symbol, program string) error {
	return m.attachMulti(program, link.KretprobeMulti, link.KprobeMultiOptions{Symbols: []string{symbol}})
}

// sessionsHaveStacks is since when nothing limits how many calls of functions with a session may be
// under way. Before, there is room for two for each possible CPU and address, and an address may be
// given again and again.
var sessionsHaveStacks = kernel.NewVersion(6, 14, 0)

// AttachSession runs a loaded program at the entry and the return of kernel functions, of which so many
// calls may be under way.
func (m *Module) AttachSession(symbols []string, program string, calls int) error {
	if m.options.Version >= sessionsHaveStacks {
		return m.attachMulti(program, link.KprobeMulti, link.KprobeMultiOptions{Symbols: symbols, Session: true})
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	at, err := m.addresses(symbols)
	if err != nil {
		return &Error{Step: "finding " + strings.Join(symbols, ", "), Err: cause(err)}
	}
	return m.attachMulti(program, link.KprobeMulti, link.KprobeMultiOptions{
		Addresses: slices.Repeat(at, 1+calls/(2*cpus*len(at))), Session: true,
	})
}

// addresses are those of kernel functions, as the kernel tells them of a program that is attached there.
func (m *Module) addresses(symbols []string) ([]uintptr, error) {
	nothing, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Kprobe, AttachType: ebpf.AttachTraceKprobeSession, License: m.object.License,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()}, // 1: not at the return
	})
	if err != nil {
		return nil, err
	}
	defer nothing.Close()
	l, err := link.KprobeMulti(nothing, link.KprobeMultiOptions{Symbols: symbols, Session: true})
	if err != nil {
		return nil, err
	}
	info, err := l.Info()
	if err = errors.Join(err, l.Close()); err != nil {
		return nil, err
	}
	var addresses []uintptr
	told, _ := info.KprobeMulti().Addresses()
	for _, a := range told {
		addresses = append(addresses, uintptr(a.Address))
	}
	if len(addresses) == 0 || slices.Contains(addresses, 0) {
		return nil, errors.New("the kernel tells no addresses: it takes CAP_SYSLOG, and kernel.kptr_restrict below 2")
	}
	return addresses, nil
}

func (m *Module) attachMulti(program string, attach func(*ebpf.Program, link.KprobeMultiOptions) (link.Link, error), opts link.KprobeMultiOptions) error {
	at := strings.Join(opts.Symbols, ", ")
	if at == "" {
		at = "functions by their addresses"
	}
	return m.attach(at, loaded{program: program}, func(p *ebpf.Program) (link.Link, error) {
		l, err := attach(p, opts)
		if err == nil {
			m.multis = append(m.multis, multi{program, l})
		}
		return l, err
	})
}

// missed is how often links of a program did not get to it.
func (m *Module) missed(program string) (uint64, error) {
	n := m.missedBefore[program]
	for _, l := range m.multis {
		if l.program != program {
			continue
		}
		missed, err := l.missed()
		if err != nil {
			return 0, err
		}
		n += missed
	}
	return n, nil
}

// keepMissed keeps what a link tells that is about to be closed.
func (m *Module) keepMissed(of link.Link) {
	for i, l := range m.multis {
		if l.link != of {
			continue
		}
		if missed, err := l.missed(); err == nil && missed != 0 {
			m.missedBefore[l.program] += missed
		}
		m.multis = slices.Delete(m.multis, i, i+1)
		return
	}
}
