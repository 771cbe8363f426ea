package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// Programs that do nothing, as the floor of what any program on a hook costs.

// closers are closed together.
type closers []io.Closer

func (c closers) Close() error {
	var all []error
	for _, closer := range c {
		all = append(all, closer.Close())
	}
	return errors.Join(all...)
}

// attachAll attaches one empty program of a kind by several functions, until Close.
func attachAll(spec ebpf.ProgramSpec, attach ...func(*ebpf.Program) (link.Link, error)) (io.Closer, error) {
	spec.Name, spec.License = "empty", "GPL"
	spec.Instructions = asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}
	program, err := ebpf.NewProgram(&spec)
	if err != nil {
		return nil, fmt.Errorf("loading an empty program: %w", err)
	}
	all := closers{program}
	for _, f := range attach {
		l, err := f(program)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attaching an empty program: %w", err), all.Close())
		}
		all = append(all, l)
	}
	return all, nil
}

// attachEmptySyscalls hooks the raw tracepoints of all system calls.
func attachEmptySyscalls() (io.Closer, error) {
	at := func(name string) func(*ebpf.Program) (link.Link, error) {
		return func(p *ebpf.Program) (link.Link, error) {
			return link.AttachRawTracepoint(link.RawTracepointOptions{Name: name, Program: p})
		}
	}
	return attachAll(ebpf.ProgramSpec{Type: ebpf.RawTracepoint}, at("sys_enter"), at("sys_exit"))
}

// attachEmptyKprobes hooks the kernel's open at its entry and its return.
func attachEmptyKprobes() (io.Closer, error) {
	const symbol = "do_sys_openat2"
	return attachAll(ebpf.ProgramSpec{Type: ebpf.Kprobe},
		func(p *ebpf.Program) (link.Link, error) { return link.Kprobe(symbol, p, nil) },
		func(p *ebpf.Program) (link.Link, error) { return link.Kretprobe(symbol, p, nil) })
}

// attachEmptyTrampoline hooks the kernel's open by fentry or fexit.
func attachEmptyTrampoline(kind ebpf.AttachType) func() (io.Closer, error) {
	return func() (io.Closer, error) {
		return attachAll(ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: kind, AttachTo: "do_sys_openat2"},
			func(p *ebpf.Program) (link.Link, error) { return link.AttachTracing(link.TracingOptions{Program: p}) })
	}
}
