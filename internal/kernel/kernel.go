// Package kernel knows facts about the running kernel that tracing depends on.
package kernel

import (
	"errors"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"
)

// RefusesBPF returns the error of the cheapest BPF system call that tracing needs, nil
// if the kernel takes it. It matches [unix.EPERM] when rights lack.
func RefusesBPF() error {
	return features.HaveProgramType(ebpf.RawTracepoint)
}

// hasHelper reports whether tracing programs may call a helper. Those of kprobes and
// those of raw tracepoints take theirs from the same list
// (bpf_tracing_func_proto in kernel/trace/bpf_trace.c).
func hasHelper(helper asm.BuiltinFunc) bool {
	return features.HaveProgramHelper(ebpf.RawTracepoint, helper) == nil
}

// callsFunctions reports whether programs may call functions of the kernel by the numbers of their
// types. The JIT compiler alone can do it: without, the kernel does not come to look that there is no
// function of the number 1.
func callsFunctions() bool {
	call := asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: 1}
	_, err := ebpf.NewProgramWithOptions(&ebpf.ProgramSpec{
		Type: ebpf.RawTracepoint, Instructions: asm.Instructions{call, asm.Return()}, License: "GPL",
	}, ebpf.ProgramOptions{LogDisabled: true})
	return errors.Is(err, unix.EINVAL)
}
