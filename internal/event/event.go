// Package event decodes the records that the BPF program puts into the perf
// buffer. Their layout is struct record of <opensnoop/record.h> in bpf/include.
package event

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// headerSize is the size in bytes of what every record begins with. Parts follow, as
// the header tells, then the comm, then the name.
const headerSize = 24

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
	NameHandle NameKind = 3 // none: open_by_handle_at(2), with the handle at the address
)

// Fields are what a record holds beyond what every record does: a set of bits,
// FIELD_… in <opensnoop/record.h>. What nobody asked for is not recorded. Each has a
// part of the record, and the parts are in the order of the bits.
type Fields uint16

const (
	Flags  Fields = 1 << iota // Event.Flags and Event.Mode
	PPID                      // Event.PPID
	Result                    // Event.Result
	UID                       // Event.UID
)

const knownFields = Flags | PPID | Result | UID

// size returns the size in bytes of the parts in a record, with what fills them up to a
// multiple of 8 bytes.
func (f Fields) size() int {
	size := 0
	if f.Has(Flags) {
		size += 12
	}
	if f.Has(PPID) {
		size += 4
	}
	if f.Has(Result) {
		size += 4
	}
	if f.Has(UID) {
		size += 4
	}
	return (size + 7) &^ 7
}

// Has reports whether all fields of g are in f.
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
	Address  uint64 // of the name or handle in the process, for the other kinds

	Fields Fields // which of the following were recorded; the others are 0
	UID    uint32 // real user id, in the first user namespace
	PPID   uint32 // the parent's process id; 0 if it is outside our pid namespace
	Flags  uint64 // O_RDONLY|…, as the program passed them (open(2))
	Mode   uint32 // permissions for a new file, as the program passed them
	Result int32  // the descriptor, an error's number negated, or ResultUnknown
	Fixed  bool   // a Result of 0 or more is a place in an io_uring's own table of files
}

// ResultUnknown is the Result of a call whose return was not seen.
const ResultUnknown int32 = math.MinInt32

// Decode fills e from a record, which may have bytes behind it: the perf buffer
// pads. Comm and Name point into the record.
func (e *Event) Decode(record []byte) error {
	if len(record) < headerSize {
		return fmt.Errorf("a record of %d bytes, shorter than its header of %d", len(record), headerSize)
	}
	order := binary.NativeEndian
	fields := order.Uint32(record[16:])
	there, unread := Fields(fields), Fields(fields>>16)
	if there&^knownFields != 0 {
		return fmt.Errorf("a record with unknown parts: %#x", uint16(there&^knownFields))
	}
	size := there.size()
	if len(record) < headerSize+size+CommSize {
		return fmt.Errorf("a record of %d bytes, too short for its parts of %d", len(record), size)
	}
	*e = Event{
		Time:     order.Uint64(record[0:]),
		TGID:     order.Uint32(record[8:]),
		TID:      order.Uint32(record[12:]),
		NameKind: NameKind(record[22]),
		Fields:   there &^ unread,
		Fixed:    record[23] != 0,
	}
	nameLen := int(order.Uint16(record[20:]))
	rest := record[headerSize:]
	e.decodeParts(there, rest[:size])
	rest = rest[size:]
	e.Comm = rest[:CommSize]
	if end := bytes.IndexByte(e.Comm, 0); end >= 0 {
		e.Comm = e.Comm[:end]
	}
	return e.decodeName(nameLen, rest[CommSize:])
}

// decodeParts takes the parts that are there. What could not be read stays 0.
func (e *Event) decodeParts(there Fields, parts []byte) {
	order := binary.NativeEndian
	if there.Has(Flags) {
		if e.Fields.Has(Flags) {
			e.Flags, e.Mode = order.Uint64(parts), order.Uint32(parts[8:])
		}
		parts = parts[12:]
	}
	if there.Has(PPID) {
		if e.Fields.Has(PPID) {
			e.PPID = order.Uint32(parts)
		}
		parts = parts[4:]
	}
	if there.Has(Result) {
		if e.Fields.Has(Result) {
			e.Result = int32(order.Uint32(parts))
		}
		parts = parts[4:]
	}
	if there.Has(UID) && e.Fields.Has(UID) {
		e.UID = order.Uint32(parts)
	}
}

// decodeName takes the name, or the address in its place, of size bytes.
func (e *Event) decodeName(size int, rest []byte) error {
	if size > NameMax || size > len(rest) {
		return fmt.Errorf("a name of %d bytes in a record with room for %d", size, len(rest))
	}
	switch e.NameKind {
	case NameRead:
		e.Name = rest[:size]
	case NameBad, NameUnseen, NameHandle:
		if size != 8 {
			return fmt.Errorf("an address of %d bytes", size)
		}
		e.Address = binary.NativeEndian.Uint64(rest)
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

// NameLen returns the size in bytes of a record's name without decoding the rest; 0 if the
// record is too short.
func NameLen(record []byte) int {
	if len(record) < headerSize {
		return 0
	}
	return int(binary.NativeEndian.Uint16(record[20:]))
}

// Append appends e as a record to b.
func (e *Event) Append(b []byte) []byte {
	order := binary.NativeEndian
	nameLen := len(e.Name)
	if e.NameKind != NameRead {
		nameLen = 8
	}
	b = order.AppendUint64(b, e.Time)
	b = order.AppendUint32(b, e.TGID)
	b = order.AppendUint32(b, e.TID)
	b = order.AppendUint32(b, uint32(e.Fields))
	b = order.AppendUint16(b, uint16(nameLen))
	fixed := byte(0)
	if e.Fixed {
		fixed = 1
	}
	b = append(b, byte(e.NameKind), fixed)
	b = e.appendParts(b)
	var comm [CommSize]byte
	copy(comm[:CommSize-1], e.Comm)
	b = append(b, comm[:]...)
	if e.NameKind != NameRead {
		return order.AppendUint64(b, e.Address)
	}
	return append(b, e.Name...)
}

func (e *Event) appendParts(b []byte) []byte {
	order := binary.NativeEndian
	end := len(b) + e.Fields.size()
	if e.Fields.Has(Flags) {
		b = order.AppendUint64(b, e.Flags)
		b = order.AppendUint32(b, e.Mode)
	}
	if e.Fields.Has(PPID) {
		b = order.AppendUint32(b, e.PPID)
	}
	if e.Fields.Has(Result) {
		b = order.AppendUint32(b, uint32(e.Result))
	}
	if e.Fields.Has(UID) {
		b = order.AppendUint32(b, e.UID)
	}
	return append(b, make([]byte, end-len(b))...)
}
