package object

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// progLoad is what bpf(BPF_PROG_LOAD) takes, as far as it is used here: the start of union
// bpf_attr (include/uapi/linux/bpf.h).
type progLoad struct {
	kind               ebpf.ProgramType
	instructions       uint32 // how many
	first              unsafe.Pointer
	license            unsafe.Pointer
	logLevel, logSize  uint32
	log                unsafe.Pointer
	kernelVersion      uint32
	flags              uint32
	name               [unix.BPF_OBJ_NAME_LEN]byte
	ifindex            uint32
	expectedAttachType ebpf.AttachType
	_                  [8]uint32 // what describes the program's types
	lineInfos          uint32
	attachTo           uint32
}

// loadFor loads a program for a function, by the number of that one's type. The library would
// look for the number on its own: in all the kernel's types, which takes 25 ms and as many MB.
func (m *Module) loadFor(l *Loading, instructions asm.Instructions) (*ebpf.Program, error) {
	var code bytes.Buffer
	if err := instructions.Marshal(&code, order); err != nil {
		return nil, &Error{Err: err}
	}
	license := append([]byte(m.object.License), 0)
	attr := progLoad{
		kind:               l.Kind,
		instructions:       uint32(code.Len() / asm.InstructionSize),
		first:              unsafe.Pointer(&code.Bytes()[0]),
		license:            unsafe.Pointer(&license[0]),
		expectedAttachType: l.Attach,
		attachTo:           l.Number,
	}
	copy(attr.name[:len(attr.name)-1], l.Program)
	fd, err := bpfProgLoad(&attr)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EINVAL) {
		log := make([]byte, 64<<10)
		attr.logLevel, attr.logSize, attr.log = 1, uint32(len(log)), unsafe.Pointer(&log[0])
		if fd, err = bpfProgLoad(&attr); err != nil {
			text, _, _ := bytes.Cut(log, []byte{0})
			return nil, &Error{Err: err, Messages: string(text)}
		}
	}
	runtime.KeepAlive(instructions) // and the maps with them
	if err != nil {
		return nil, &Error{Err: err}
	}
	return ebpf.NewProgramFromFD(fd)
}

// bpfProgLoad loads anew what a signal has interrupted, as the library does: the verifier gives up then.
func bpfProgLoad(attr *progLoad) (fd int, err error) {
	for {
		n, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EAGAIN:
		default:
			return -1, os.NewSyscallError("bpf", errno)
		}
	}
}
