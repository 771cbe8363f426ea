package object

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
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
	return m.attachMulti([]string{symbol}, program, false)
}

// AttachSession runs a loaded program at the entry and the return of kernel functions. Since Linux
// 6.14 nothing limits how many calls may be under way.
func (m *Module) AttachSession(symbols []string, program string) error {
	return m.attachMulti(symbols, program, true)
}

func (m *Module) attachMulti(symbols []string, program string, session bool) error {
	return m.attach(strings.Join(symbols, ", "), loaded{program: program}, func(p *ebpf.Program) (link.Link, error) {
		l, err := link.KprobeMulti(p, link.KprobeMultiOptions{Symbols: symbols, Session: session})
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

// keepMissed keeps what links tell that are about to be closed.
func (m *Module) keepMissed() {
	for _, l := range m.multis {
		if missed, err := l.missed(); err == nil && missed != 0 {
			m.missedBefore[l.program] += missed
		}
	}
	m.multis = nil
}
