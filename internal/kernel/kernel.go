// Package kernel knows facts about the running kernel that tracing depends on.
package kernel

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
)

// RefusesBPF returns the error of the cheapest BPF system call that tracing needs, nil
// if the kernel takes it. It matches [unix.EPERM] when rights lack.
func RefusesBPF() error {
	return features.HaveProgramType(ebpf.RawTracepoint)
}

// HasHelper reports whether tracing programs may call a helper. Those of kprobes and
// those of raw tracepoints take theirs from the same list
// (bpf_tracing_func_proto in kernel/trace/bpf_trace.c).
func HasHelper(helper asm.BuiltinFunc) bool {
	return features.HaveProgramHelper(ebpf.RawTracepoint, helper) == nil
}
