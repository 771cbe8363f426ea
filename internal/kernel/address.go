package kernel

import (
	"encoding/binary"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// Address returns where in the kernel's memory a variable is, of a name of at most 15 bytes: 0 if the
// kernel does not tell. A program asks for it: since Linux 6.2 the kernel finds a name at once, and it
// takes some 10 ms to read all of /proc/kallsyms.
func Address(name string) uint64 {
	const text, result = -32, -8 // on the stack
	var words [16]byte
	copy(words[:15], name)
	program, err := ebpf.NewProgramWithOptions(&ebpf.ProgramSpec{
		Type: ebpf.Syscall, Flags: unix.BPF_F_SLEEPABLE, License: "GPL",
		Instructions: asm.Instructions{
			asm.Mov.Reg(asm.R6, asm.R1),
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
			asm.StoreMem(asm.R6, 0, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R0, 0),
			asm.Return(),
		},
	}, ebpf.ProgramOptions{LogDisabled: true})
	if err != nil {
		return 0
	}
	defer program.Close()
	var address uint64
	if _, err := program.Run(&ebpf.RunOptions{Context: address, ContextOut: &address}); err != nil {
		return 0
	}
	return address
}
