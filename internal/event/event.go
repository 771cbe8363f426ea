// Package event decodes the records that the BPF program puts into the perf
// buffer. Their layout is struct record in bpf/opensnoop.c.
package event

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// HeaderSize is the size in bytes of a record less its name.
const HeaderSize = 40

// CommSize is the size in bytes of the kernel's name of a task, with the NUL
// that ends it (TASK_COMM_LEN in include/linux/sched.h).
const CommSize = 16

// NameMax is the most bytes that a name has: PATH_MAX less the NUL
// (include/uapi/linux/limits.h).
const NameMax = 4095

// NameKind tells how a name came about. The values are enum name_kind's in
// bpf/opensnoop.c.
type NameKind uint32

const (
	NameRead   NameKind = 0 // the name as the program passed it
	NameBad    NameKind = 1 // its address could not be read even at the call's return
	NameUnseen NameKind = 2 // its address could not be read at entry, and the return was not seen
)

// Event is one open.
type Event struct {
	// Time in ns of CLOCK_MONOTONIC at which the open was reported: at its entry,
	// or as soon as its name could be read.
	Time uint64
	TGID uint32 // what user space calls the process id
	TID  uint32
	Comm []byte // without the NUL; at most 15 bytes

	NameKind NameKind
	Name     []byte // for NameRead; may be empty
	Address  uint64 // of the name in the process, for the other kinds
}

// Decode fills e from a record, which may have bytes behind it: the perf buffer
// pads. Comm and Name point into the record.
func (e *Event) Decode(record []byte) error {
	if len(record) < HeaderSize {
		return fmt.Errorf("a record of %d bytes, shorter than its header of %d", len(record), HeaderSize)
	}
	order := binary.NativeEndian
	e.Time = order.Uint64(record[0:])
	e.TGID = order.Uint32(record[8:])
	e.TID = order.Uint32(record[12:])
	e.NameKind = NameKind(order.Uint32(record[16:]))
	size := order.Uint32(record[20:])
	e.Comm = record[24:HeaderSize]
	if end := bytes.IndexByte(e.Comm, 0); end >= 0 {
		e.Comm = e.Comm[:end]
	}
	e.Name, e.Address = nil, 0

	rest := record[HeaderSize:]
	if size > NameMax || int(size) > len(rest) {
		return fmt.Errorf("a name of %d bytes in a record with room for %d", size, len(rest))
	}
	switch e.NameKind {
	case NameRead:
		e.Name = rest[:size]
	case NameBad, NameUnseen:
		if size != 8 {
			return fmt.Errorf("an address of %d bytes", size)
		}
		e.Address = order.Uint64(rest)
	default:
		return fmt.Errorf("a name of the unknown kind %d", e.NameKind)
	}
	return nil
}

// Time returns a record's time without decoding the rest; 0 if it is too short.
func Time(record []byte) uint64 {
	if len(record) < 8 {
		return 0
	}
	return binary.NativeEndian.Uint64(record)
}

// Append appends e as a record to b.
func (e *Event) Append(b []byte) []byte {
	order := binary.NativeEndian
	b = order.AppendUint64(b, e.Time)
	b = order.AppendUint32(b, e.TGID)
	b = order.AppendUint32(b, e.TID)
	b = order.AppendUint32(b, uint32(e.NameKind))
	size := len(e.Name)
	if e.NameKind != NameRead {
		size = 8
	}
	b = order.AppendUint32(b, uint32(size))
	var comm [CommSize]byte
	copy(comm[:CommSize-1], e.Comm)
	b = append(b, comm[:]...)
	if e.NameKind != NameRead {
		return order.AppendUint64(b, e.Address)
	}
	return append(b, e.Name...)
}
