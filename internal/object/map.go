package object

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"opensnoop/internal/kernel"
)

// bpfMap is a map in the kernel: an *ebpf.Map, or an opaqueMap.
type bpfMap interface {
	FD() int
	Close() error
}

// opaqueMap is a map that only programs use.
type opaqueMap int

func (m opaqueMap) FD() int      { return int(m) }
func (m opaqueMap) Close() error { return unix.Close(int(m)) }

// create makes the map, or opens the one that is pinned there.
func (m *Map) create(pinned string, version kernel.Version) (bpfMap, error) {
	if pinned != "" {
		made, err := ebpf.LoadPinnedMap(pinned, nil)
		if err != nil {
			return nil, fmt.Errorf("opening the pinned BPF map %s: %w", pinned, err)
		}
		return made, nil
	}
	made, err := retryWithoutMemlock(m.make)
	if err != nil {
		return nil, refused("making the BPF map "+m.Name, err, version)
	}
	return made, nil
}

func (m *Map) make() (bpfMap, error) {
	switch m.Type {
	case ebpf.PerfEventArray, ebpf.PerCPUArray, ebpf.PerCPUHash:
	default:
		return ebpf.NewMap(&ebpf.MapSpec{
			Name: m.Name, Type: m.Type, KeySize: m.KeySize, ValueSize: m.ValueSize,
			MaxEntries: m.MaxEntries, Flags: m.Flags,
		})
	}
	// For these the library looks into /sys for how many CPUs there can be, and that
	// may not be mounted.
	fd, err := m.makeItself()
	if err != nil {
		return nil, err
	}
	if m.Type == ebpf.PerfEventArray {
		return ebpf.NewMapFromFD(fd)
	}
	return opaqueMap(fd), nil
}

// memory is about how many bytes the map takes in the kernel when it is made.
func (m *Map) memory() uint64 {
	size := uint64(m.ValueSize)
	switch m.Type {
	case ebpf.PerfEventArray, ebpf.ProgramArray:
		size = 8
	case ebpf.PerCPUArray:
		size *= uint64(kernel.PossibleCPUs())
	case ebpf.Hash, ebpf.LRUHash:
		size += uint64(m.KeySize) + 64
	}
	if m.Flags&unix.BPF_F_NO_PREALLOC != 0 {
		size = 8 // of its bucket
	}
	return size * uint64(m.MaxEntries)
}

// mapAttr is the part of union bpf_attr (include/uapi/linux/bpf.h) for BPF_MAP_CREATE, up to
// the name.
type mapAttr struct {
	kind, keySize, valueSize, maxEntries, flags uint32
	innerFD, numaNode                           uint32
	name                                        [unix.BPF_OBJ_NAME_LEN]byte
}

func (m *Map) makeItself() (fd int, err error) {
	attr := mapAttr{
		kind: uint32(m.Type), keySize: m.KeySize, valueSize: m.ValueSize,
		maxEntries: m.MaxEntries, flags: m.Flags,
	}
	copy(attr.name[:len(attr.name)-1], m.Name)
	if m.Type == ebpf.PerfEventArray && m.MaxEntries == 0 {
		attr.maxEntries = uint32(kernel.PossibleCPUs())
	}
	made, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_MAP_CREATE, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(&attr)
	if errno != 0 {
		return -1, errno
	}
	return int(made), nil
}
