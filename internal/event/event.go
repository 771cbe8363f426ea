// Package event decodes the records that the BPF program puts into the perf
// buffer. Their layout is struct record of <opensnoop/record.h> in bpf/include.
package event

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// HeaderSize is the size in bytes of a record less its details and its name.
const HeaderSize = 40

// DetailSize is the size in bytes of the details, which are only in records that
// have fields of them.
const DetailSize = 24

// CommSize is the size in bytes of the kernel's name of a task, with the NUL
// that ends it (TASK_COMM_LEN in include/linux/sched.h).
const CommSize = 16

// NameMax is the most bytes that a name has: PATH_MAX less the NUL
// (include/uapi/linux/limits.h).
const NameMax = 4095

// NameKind tells how a name came about. The values are enum name_kind's in
// <opensnoop/record.h>.
type NameKind uint8

const (
	NameRead   NameKind = 0 // the name as the program passed it
	NameBad    NameKind = 1 // its address could not be read even at the call's return
	NameUnseen NameKind = 2 // its address could not be read at entry, and the return was not seen
)

// Fields are what a record holds beyond what every record does: a set of bits,
// FIELD_… in <opensnoop/record.h>. What nobody asked for is not recorded.
type Fields uint8

const (
	UID    Fields = 1 << iota // Event.UID
	PPID                      // Event.PPID
	Flags                     // Event.Flags and Event.Mode
	Result                    // Event.Result

	details = PPID | Flags | Result

	// hasDetails is set in a record that has room for details, also if none of
	// them could be read. It is in no Event.
	hasDetails Fields = 1 << 7
)

// Has tells whether all fields of g are in f.
func (f Fields) Has(g Fields) bool { return f&g == g }

// Event is one open.
type Event struct {
	// Time in ns of CLOCK_MONOTONIC at which the open was reported: at its entry,
	// or as soon as its name could be read; with a Result, at its return.
	Time uint64
	TGID uint32 // what user space calls the process id
	TID  uint32
	Comm []byte // without the NUL; at most 15 bytes

	NameKind NameKind
	Name     []byte // for NameRead; may be empty
	Address  uint64 // of the name in the process, for the other kinds

	Fields Fields // which of the following were recorded; the others are 0
	UID    uint32 // real user id, in the first user namespace
	PPID   uint32 // the parent's process id; 0 if it is outside our pid namespace
	Flags  uint64 // O_RDONLY|…, as the program passed them (open(2))
	Mode   uint32 // permissions for a new file, as the program passed them
	Result int32  // the descriptor, an error's number negated, or ResultUnknown
}

// ResultUnknown is the Result of a call whose return was not seen.
const ResultUnknown int32 = math.MinInt32

// Decode fills e from a record, which may have bytes behind it: the perf buffer
// pads. Comm and Name point into the record.
func (e *Event) Decode(record []byte) error {
	if len(record) < HeaderSize {
		return fmt.Errorf("a record of %d bytes, shorter than its header of %d", len(record), HeaderSize)
	}
	order := binary.NativeEndian
	*e = Event{
		Time:     order.Uint64(record[0:]),
		TGID:     order.Uint32(record[8:]),
		TID:      order.Uint32(record[12:]),
		UID:      order.Uint32(record[16:]),
		NameKind: NameKind(record[22]),
		Fields:   Fields(record[23]) &^ hasDetails,
		Comm:     record[24:HeaderSize],
	}
	size := int(order.Uint16(record[20:]))
	if end := bytes.IndexByte(e.Comm, 0); end >= 0 {
		e.Comm = e.Comm[:end]
	}

	rest := record[HeaderSize:]
	if Fields(record[23]).Has(hasDetails) {
		if len(rest) < DetailSize {
			return fmt.Errorf("a record of %d bytes, too short for its details", len(record))
		}
		if e.Fields&details != 0 {
			e.Flags = order.Uint64(rest[0:])
			e.Mode = order.Uint32(rest[8:])
			e.PPID = order.Uint32(rest[12:])
			e.Result = int32(order.Uint32(rest[16:]))
		}
		rest = rest[DetailSize:]
	}
	if size > NameMax || size > len(rest) {
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
	size := len(e.Name)
	if e.NameKind != NameRead {
		size = 8
	}
	b = order.AppendUint64(b, e.Time)
	b = order.AppendUint32(b, e.TGID)
	b = order.AppendUint32(b, e.TID)
	b = order.AppendUint32(b, e.UID)
	b = order.AppendUint16(b, uint16(size))
	fields := e.Fields
	if fields&details != 0 {
		fields |= hasDetails
	}
	b = append(b, byte(e.NameKind), byte(fields))
	var comm [CommSize]byte
	copy(comm[:CommSize-1], e.Comm)
	b = append(b, comm[:]...)
	if e.Fields&details != 0 {
		b = order.AppendUint64(b, e.Flags)
		b = order.AppendUint32(b, e.Mode)
		b = order.AppendUint32(b, e.PPID)
		b = order.AppendUint32(b, uint32(e.Result))
		b = order.AppendUint32(b, 0)
	}
	if e.NameKind != NameRead {
		return order.AppendUint64(b, e.Address)
	}
	return append(b, e.Name...)
}
