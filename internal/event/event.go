// Package event decodes the records that the BPF program puts into the perf
// buffer. Their layout is struct record of <opensnoop/record.h> in bpf/include.
package event

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
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

// ArgsMax is the most bytes of a program's arguments that an event has: ARGS_MAX in
// <opensnoop/record.h>.
const ArgsMax = 252

// What a record is of: enum how in <opensnoop/record.h>.
const (
	howFixed    = 1
	howExecuted = 2
	howStated   = 3
	howAccessed = 4
	howLinkRead = 5
)

// addressSize is the size in bytes of what stands in the place of a name that is not known.
const addressSize = 8

// NameKind tells how a name came about. The values are enum name_kind's in
// <opensnoop/record.h>.
type NameKind uint8

const (
	NameRead   NameKind = 0 // the name as the program passed it
	NameBad    NameKind = 1 // its address could not be read even at the call's return
	NameUnseen NameKind = 2 // its address could not be read at entry, and the return was not seen
	NameHandle NameKind = 3 // none: open_by_handle_at(2), with the handle at the address
	NameUnsure NameKind = 4 // as the program had it at entry; the kernel may have read another
)

// passed reports whether there is a name, and no address in its place.
func (k NameKind) passed() bool { return k == NameRead || k == NameUnsure }

// Event is one open.
type Event struct {
	// Time in ns of CLOCK_MONOTONIC at which the open was reported: at its entry,
	// or as soon as its name could be read; with a Result, at its return.
	Time uint64
	TGID uint32 // what user space calls the process id
	TID  uint32
	Comm []byte // without the NUL; at most 15 bytes

	NameKind NameKind
	Name     []byte // for NameRead and NameUnsure; may be empty
	Address  uint64 // of the name or handle in the process, for the other kinds

	Fields  Fields // which of the following were recorded; the others are 0
	UID     uint32 // real user id, in the first user namespace
	User    []byte // the name of UID, of a recording that has it; nil to look it up
	EUID    uint32 // effective user id, in the first user namespace
	GID     uint32 // real group id, in the first user namespace
	Login   uint32 // the user who logged in, as audit(8) keeps it whatever follows, or NoLogin
	Logged  []byte // the name of Login, as User
	PPID    uint32 // the parent's process id; 0 if it is outside our pid namespace
	PComm   []byte // the comm of the parent's first thread, as Comm
	Process []byte // the comm of the process's first thread, as Comm
	Flags   uint64 // O_RDONLY|…, as the program passed them (open(2))
	Mode    uint32 // permissions for a new file, as the program passed them
	Result  int32  // the descriptor, an error's number negated, or ResultUnknown
	Took    uint64 // ns from the call's entry to its return, at least 1; 0 if that is not known
	Blocks  bool   // the call had not returned after Took, when tracing ended
	Fixed   bool   // a Result of 0 or more is a place in an io_uring's own table of files
	Exec    bool   // opened to execute a program: a Result of 0 is no descriptor
	Lookup  Lookup // looked for, and not opened: its Result is 0 or an error
	Depth   uint32 // how far the process is below the one that is followed

	Ancestors Ancestors // the process and those that it descends from

	// The arguments that the program was executed with, a NUL behind each, of which there are
	// ArgsSize bytes, but no more than [ArgsMax] here; none if they are not known.
	Args     []byte
	ArgsSize uint32

	// With Path: what the name is relative to, and by that the absolute path of what was to
	// be opened, as somebody at a terminal would type it: without the . and the .. that the
	// name begins with, and without slashes that say nothing. A .. behind a name stays, for
	// a link may be there.
	Folder Folder
	Path   Place

	Exe Place // with Exe: the program of the process

	// Cgroup is the id of the process's cgroup in the hierarchy of version 2, and Container
	// what that is of: [Host] for none; nil if it is not known. Records do not have it.
	Cgroup    uint64
	CgroupNS  bool // the process is in a cgroup namespace of its own
	Container *Container

	// Unit is what systemd runs the process as: [NoUnit] for none; nil if it is not known. Records
	// do not have it.
	Unit *Unit

	// With File and a Result of 0 or more: the file that was opened, links followed, unless
	// its Real is [PathNone].
	Inode   uint64
	Dev     uint32 // of its file system, as the kernel has it: 12 bits and 20
	Created bool   // this open made it

	StatDiffers bool // stat(2) may tell another Dev or Inode, mostly of overlayfs
	Real        Place
}

// NoLogin is the Login of what nobody who has logged in runs, such as services.
const NoLogin uint32 = math.MaxUint32

// ResultUnknown is the Result of a call whose return was not seen.
const ResultUnknown int32 = math.MinInt32

// Decode fills e from a record, which may have bytes behind it: the perf buffer
// pads. What e has of bytes points into the record, but for what is known of places, which
// takes the memory of what e had before.
func (e *Event) Decode(record []byte) error {
	if len(record) < headerSize {
		return fmt.Errorf("a record of %d bytes, shorter than its header of %d", len(record), headerSize)
	}
	there, unread := fieldsOf(record)
	if there&^AllFields != 0 {
		return fmt.Errorf("a record with unknown parts: %#x", uint32(there&^AllFields))
	}
	size := there.size()
	if len(record) < headerSize+size+CommSize {
		return fmt.Errorf("a record of %d bytes, too short for its parts of %d", len(record), size)
	}
	path, exe, real := e.Path.Known[:0], e.Exe.Known[:0], e.Real.Known[:0]
	*e = Event{
		Time:     order.Uint64(record[0:]),
		TGID:     order.Uint32(record[8:]),
		TID:      order.Uint32(record[12:]),
		NameKind: NameKind(record[22]),
		Fields:   there &^ unread,
		Fixed:    record[23] == howFixed,
		Exec:     record[23] == howExecuted,
		Lookup:   lookupOf(record[23]),
	}
	nameLen := int(order.Uint16(record[20:]))
	rest := record[headerSize:]
	parts, rest := rest[:size], rest[size:]
	e.decodeParts(there, parts)
	if e.Lookup != NoLookup {
		e.Result = min(e.Result, 0) // readlink returns a length
	}
	e.Comm = comm(rest)
	rest = rest[CommSize:]
	if err := e.decodeStrings(there, parts, rest, nameLen); err != nil {
		return err
	}
	if e.Fields.Has(Path) {
		e.Path.Known, e.Path.Problem = e.appendPath(path)
	}
	if e.Fields.Has(Exe) {
		e.Exe.find(exe)
		if e.Exe.Problem == PathClosed {
			e.Exe.Problem = PathNone // as a kernel thread's
		}
	}
	if e.Fields.Has(File) {
		e.Real.find(real)
		if e.Real.Problem == PathSpecial && string(e.Real.Kind) == "nsfs" {
			e.Real.Known = append(strconv.AppendUint(append(e.Real.Known, ":["...), e.Inode, 10), ']')
		}
	}
	return nil
}

// decodeStrings takes what is behind the comm: the name of nameLen bytes, and those of parts.
func (e *Event) decodeStrings(there Fields, parts, rest []byte, nameLen int) (err error) {
	if e.Fields.Has(Path) && e.Folder.Base.State&walkNameLast != 0 {
		e.Folder.Base.State &^= walkNameLast
		if len(rest) < addressSize {
			return fmt.Errorf("an address of %d bytes", len(rest))
		}
		if rest, err = e.decodeTexts(there, parts, rest[addressSize:], entryTexts); err != nil {
			return err
		}
		if err := e.decodeName(nameLen, rest); err != nil {
			return err
		}
		rest = rest[nameLen:]
	} else {
		if err := e.decodeName(nameLen, rest); err != nil {
			return err
		}
		if rest, err = e.decodeTexts(there, parts, rest[nameLen:], entryTexts); err != nil {
			return err
		}
	}
	_, err = e.decodeTexts(there, parts, rest, endTexts)
	return err
}

// comm returns the comm that b begins with, without the NUL.
func comm(b []byte) []byte {
	b = b[:CommSize]
	if end := bytes.IndexByte(b, 0); end >= 0 {
		return b[:end]
	}
	return b
}

// appendComm appends a comm as the kernel has it, cut to its size.
func appendComm(b, text []byte) []byte {
	var comm [CommSize]byte
	copy(comm[:CommSize-1], text)
	return append(b, comm[:]...)
}

// decodeName takes the name, or the address in its place, of size bytes.
func (e *Event) decodeName(size int, rest []byte) error {
	if size > NameMax || size > len(rest) {
		return fmt.Errorf("a name of %d bytes in a record with room for %d", size, len(rest))
	}
	switch e.NameKind {
	case NameRead, NameUnsure:
		e.Name = rest[:size]
	case NameBad, NameUnseen, NameHandle:
		if size != addressSize {
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
	return order.Uint64(record)
}

// CgroupOf returns a record's cgroup without decoding the rest; 0 if it has none.
func CgroupOf(record []byte) uint64 {
	if len(record) < headerSize {
		return 0
	}
	there, _ := fieldsOf(record)
	at := headerSize + there.offset(Cgroup)
	if !there.Has(Cgroup) || len(record) < at+8 {
		return 0
	}
	id, _ := cgroup(record[at:])
	return id
}

// StringsSize returns the size in bytes of a record's name and other strings without decoding
// the rest; 0 if the record is too short.
func StringsSize(record []byte) int {
	if len(record) < headerSize {
		return 0
	}
	there, _ := fieldsOf(record)
	parts := record[headerSize:]
	if len(parts) < there.size() {
		return 0
	}
	size := int(order.Uint16(record[20:]))
	for _, t := range allTexts {
		if there.Has(t.field) {
			size += int(order.Uint16(parts[there.offset(t.field)+t.at:]))
		}
	}
	if there.Has(Path) && WalkState(order.Uint16(parts[there.offset(Path)+baseStateAt:]))&walkNameLast != 0 {
		size += addressSize
	}
	return size
}

// Append appends e as a record to b. What is in e of fields that it has not does not count.
func (e *Event) Append(b []byte) []byte {
	nameLen := len(e.Name)
	if !e.NameKind.passed() {
		nameLen = addressSize
	}
	b = order.AppendUint64(b, e.Time)
	b = order.AppendUint32(b, e.TGID)
	b = order.AppendUint32(b, e.TID)
	b = order.AppendUint32(b, uint32(e.Fields))
	b = order.AppendUint16(b, uint16(nameLen))
	how := byte(0)
	switch {
	case e.Fixed:
		how = howFixed
	case e.Exec:
		how = howExecuted
	case e.Lookup != NoLookup:
		how = howStated + byte(e.Lookup-Stat)
	}
	b = append(b, byte(e.NameKind), how)
	b = e.appendParts(b)
	b = appendComm(b, e.Comm)
	if !e.NameKind.passed() {
		b = order.AppendUint64(b, e.Address)
	} else {
		b = append(b, e.Name...)
	}
	return e.appendTexts(b)
}
