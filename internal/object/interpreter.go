package object

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"opensnoop/internal/kernel"
)

// Linux runs a program by its interpreter if net.core.bpf_jit_enable is 0, or if its JIT compiler
// failed for this one. From 6.9 on that goes wrong in two ways (do_misc_fixups in
// kernel/bpf/verifier.c):
//
//   - A program that makes a tail call needs the whole BPF stack, for the one that it goes on to. It
//     gets what it uses itself; the other one then writes over the kernel's stack.
//   - Where the JIT was to compile it, it has instructions that only the JIT knows (6.10).
var wrongByInterpreter = kernel.NewVersion(6, 9, 0)

// maxStack is the size of a program's stack: MAX_BPF_STACK of include/linux/filter.h.
const maxStack = 512

// load loads a program so that this kernel runs it rightly.
func (m *Module) load(l *Loading) (*ebpf.Program, error) {
	step := "loading the BPF program " + loaded{l.Program, l.Function}.String()
	p := m.object.program(l.Program)
	if p == nil {
		return nil, &Error{Step: step, Err: errors.New("there is none of that name")}
	}
	instructions, err := m.instructions(p)
	if err != nil {
		return nil, &Error{Step: step, Err: err}
	}
	made, err := m.loadAs(l, step, instructions)
	if err != nil || m.options.Version < wrongByInterpreter {
		return made, err
	}
	interpreted, err := isInterpreted(made)
	if err == nil && interpreted {
		err = interpreterChosen()
	}
	if err != nil {
		made.Close()
		return nil, &Error{Step: step, Err: err}
	}
	if interpreted && slices.ContainsFunc(instructions, isTailCall) {
		made.Close()
		return m.loadAs(l, step, slices.Insert(instructions, 0, asm.StoreImm(asm.RFP, -maxStack, 0, asm.Word)))
	}
	return made, nil
}

func isTailCall(i asm.Instruction) bool {
	return i.IsBuiltinCall() && asm.BuiltinFunc(i.Constant) == asm.FnTailCall
}

// interpreterChosen returns nil if the kernel is to interpret programs. Else it compiles them, and
// has failed to for the one in question.
func interpreterChosen() error {
	trivial, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SocketFilter, Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}, License: "GPL",
	})
	if err != nil {
		return fmt.Errorf("trying whether BPF programs are compiled: %w", cause(err))
	}
	defer trivial.Close()
	if interpreted, err := isInterpreted(trivial); err != nil || interpreted {
		return err
	}
	return errors.New("the kernel's JIT failed, and its interpreter would run it wrongly; free memory and try again")
}

// progInfo is the start of struct bpf_prog_info (include/uapi/linux/bpf.h).
type progInfo struct {
	_          [4]uint32
	jitedSize  uint32
	translated uint32
}

// isInterpreted reports whether the kernel has no machine code of a program.
func isInterpreted(p *ebpf.Program) (bool, error) {
	var info progInfo
	attr := struct {
		fd, size uint32
		info     unsafe.Pointer
	}{uint32(p.FD()), uint32(unsafe.Sizeof(info)), unsafe.Pointer(&info)}
	_, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_OBJ_GET_INFO_BY_FD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(p)
	if errno != 0 {
		return false, fmt.Errorf("asking whether it is compiled: %w", errno)
	}
	return info.jitedSize == 0, nil
}
