package kernel

import (
	"encoding/binary"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// Addresses returns where in the kernel's memory variables are, of names of at most 15 bytes; nil if the
// kernel does not tell of one. A program asks for them: since Linux 6.2 the kernel finds a name at once,
// and it takes some 10 ms to read all of /proc/kallsyms.
func Addresses(names ...string) []uint64 {
	const text, result = -32, -8 // on the stack
	code := asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}
	for i, name := range names {
		var words [16]byte
		copy(words[:15], name)
		code = append(code,
			asm.LoadImm(asm.R1, int64(binary.NativeEndian.Uint64(words[:])), asm.DWord),
			asm.StoreMem(asm.RFP, text, asm.R1, asm.DWord),
			asm.LoadImm(asm.R1, int64(binary.NativeEndian.Uint64(words[8:])), asm.DWord),
			asm.StoreMem(asm.RFP, text+8, asm.R1, asm.DWord),
			asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, text),
			asm.Mov.Imm(asm.R2, int32(len(name)+1)),
			asm.Mov.Imm(asm.R3, 0), asm.StoreMem(asm.RFP, result, asm.R3, asm.DWord),
			asm.Mov.Reg(asm.R4, asm.RFP), asm.Add.Imm(asm.R4, result),
			asm.FnKallsymsLookupName.Call(),
			asm.LoadMem(asm.R1, asm.RFP, result, asm.DWord),
			asm.StoreMem(asm.R6, int16(8*i), asm.R1, asm.DWord),
		)
	}
	program, err := ebpf.NewProgramWithOptions(&ebpf.ProgramSpec{
		Type: ebpf.Syscall, Flags: unix.BPF_F_SLEEPABLE, License: "GPL",
		Instructions: append(code, asm.Mov.Imm(asm.R0, 0), asm.Return()),
	}, ebpf.ProgramOptions{LogDisabled: true})
	if err != nil {
		return nil
	}
	defer program.Close()
	addresses := make([]uint64, len(names))
	if _, err := program.Run(&ebpf.RunOptions{Context: addresses, ContextOut: addresses}); err != nil || slices.Contains(addresses, 0) {
		return nil
	}
	return addresses
}
