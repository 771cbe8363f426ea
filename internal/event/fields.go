package event

import (
	"encoding/binary"
	"strings"
)

// Fields are what a record holds beyond what every record does: a set of bits,
// FIELD_… in <opensnoop/record.h>. What nobody asked for is not recorded. Each has a
// part of the record, and the parts are in the order of [parts].
type Fields uint32

const (
	Flags    Fields = 1 << iota // Event.Flags and Event.Mode
	PPID                        // Event.PPID
	Result                      // Event.Result
	UID                         // Event.UID
	EUID                        // Event.EUID
	Process                     // Event.Process
	Path                        // Event.Folder and Event.Path
	Exe                         // Event.Exe; needs Path
	File                        // Event.Inode, Event.Dev, Event.Created and Event.Real; needs Path and Result
	PComm                       // Event.PComm
	Cgroup                      // Event.Cgroup
	Args                        // Event.Args and Event.ArgsSize
	Depth                       // Event.Depth
	GID                         // Event.GID
	Login                       // Event.Login
	Took                        // Event.Took and Event.Blocks; needs Result
	Ancestry                    // Event.Ancestors
)

// AllFields are all that there are.
const AllFields = Ancestry<<1 - 1

// unreadMarks are set in a record beside its fields for a part that is there and could not be read:
// …_UNREAD in <opensnoop/record.h>.
var unreadMarks = [...]struct {
	mark  uint32
	field Fields
}{{1 << 31, Flags}, {1 << 30, Depth}, {1 << 29, Login}}

// fieldsOf returns the parts of a record of at least [headerSize] bytes, and those among them that
// could not be read.
func fieldsOf(record []byte) (there, unread Fields) {
	bits := order.Uint32(record[16:])
	for _, u := range unreadMarks {
		if bits&u.mark != 0 {
			bits &^= u.mark
			unread |= u.field
		}
	}
	return Fields(bits), unread
}

// fieldNames are theirs, in the order of the bits.
var fieldNames = []string{"flags", "ppid", "result", "uid", "euid", "process", "path", "exe", "file", "pcomm", "cgroup", "args", "depth", "gid", "login", "took", "ancestors"}

// Names names the fields.
func (f Fields) Names() string {
	var names []string
	for i, name := range fieldNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// A part is what a record has of a field.
type part struct {
	field  Fields
	size   int // bytes
	decode func(e *Event, b []byte)
	append func(e *Event, b []byte) []byte
}

var order = binary.NativeEndian

// parts are all there are, in the order in which a record has them.
var parts = []part{
	{
		Took, 8,
		func(e *Event, b []byte) {
			took := int64(order.Uint64(b))
			e.Took, e.Blocks = uint64(max(took, -took)), took < 0
		},
		func(e *Event, b []byte) []byte {
			if e.Blocks {
				return order.AppendUint64(b, -e.Took)
			}
			return order.AppendUint64(b, e.Took)
		},
	},
	{
		Flags, 12,
		func(e *Event, b []byte) { e.Flags, e.Mode = order.Uint64(b), order.Uint32(b[8:]) },
		func(e *Event, b []byte) []byte { return order.AppendUint32(order.AppendUint64(b, e.Flags), e.Mode) },
	},
	{
		PPID, 4,
		func(e *Event, b []byte) { e.PPID = order.Uint32(b) },
		func(e *Event, b []byte) []byte { return order.AppendUint32(b, e.PPID) },
	},
	{
		Result, 4,
		func(e *Event, b []byte) { e.Result = int32(order.Uint32(b)) },
		func(e *Event, b []byte) []byte { return order.AppendUint32(b, uint32(e.Result)) },
	},
	{
		UID, 4,
		func(e *Event, b []byte) { e.UID = order.Uint32(b) },
		func(e *Event, b []byte) []byte { return order.AppendUint32(b, e.UID) },
	},
	{
		EUID, 4,
		func(e *Event, b []byte) { e.EUID = order.Uint32(b) },
		func(e *Event, b []byte) []byte { return order.AppendUint32(b, e.EUID) },
	},
	{
		Process, CommSize,
		func(e *Event, b []byte) { e.Process = comm(b) },
		func(e *Event, b []byte) []byte { return appendComm(b, e.Process) },
	},
	{
		Path, 12,
		func(e *Event, b []byte) { e.Folder.decode(b) },
		func(e *Event, b []byte) []byte { return e.Folder.append(b) },
	},
	{
		Exe, 4,
		func(e *Event, b []byte) { e.Exe.Walk.decode(b) },
		func(e *Event, b []byte) []byte { return e.Exe.Walk.append(b) },
	},
	{
		File, 20,
		func(e *Event, b []byte) {
			e.Inode = uint64(order.Uint32(b)) | uint64(order.Uint32(b[4:]))<<32
			e.Dev = order.Uint32(b[8:])
			bits := order.Uint32(b[12:])
			e.Created, e.StatDiffers = bits&fileCreated != 0, bits&fileStatDiffers != 0
			e.Real.Walk.decode(b[16:])
		},
		func(e *Event, b []byte) []byte {
			b = order.AppendUint32(order.AppendUint32(b, uint32(e.Inode)), uint32(e.Inode>>32))
			b = order.AppendUint32(b, e.Dev)
			bits := uint32(0)
			if e.Created {
				bits |= fileCreated
			}
			if e.StatDiffers {
				bits |= fileStatDiffers
			}
			return e.Real.Walk.append(order.AppendUint32(b, bits))
		},
	},
	{
		PComm, CommSize,
		func(e *Event, b []byte) { e.PComm = comm(b) },
		func(e *Event, b []byte) []byte { return appendComm(b, e.PComm) },
	},
	{
		Cgroup, 8,
		func(e *Event, b []byte) { e.Cgroup, e.CgroupNS = cgroup(b) },
		func(e *Event, b []byte) []byte {
			high := uint32(e.Cgroup >> 32)
			if e.CgroupNS {
				high |= cgroupNSBit
			}
			return order.AppendUint32(order.AppendUint32(b, uint32(e.Cgroup)), high)
		},
	},
	{
		Args, 4 + ArgsMax,
		func(e *Event, b []byte) {
			if e.ArgsSize = order.Uint32(b); e.ArgsSize > 0 {
				e.Args = b[4 : 4+min(e.ArgsSize, ArgsMax)]
			}
		},
		func(e *Event, b []byte) []byte {
			b = append(order.AppendUint32(b, e.ArgsSize), e.Args...)
			return append(b, make([]byte, ArgsMax-len(e.Args))...)
		},
	},
	{
		Depth, 4,
		func(e *Event, b []byte) { e.Depth = order.Uint32(b) },
		func(e *Event, b []byte) []byte { return order.AppendUint32(b, e.Depth) },
	},
	{
		GID, 4,
		func(e *Event, b []byte) { e.GID = order.Uint32(b) },
		func(e *Event, b []byte) []byte { return order.AppendUint32(b, e.GID) },
	},
	{
		Login, 4,
		func(e *Event, b []byte) { e.Login = order.Uint32(b) },
		func(e *Event, b []byte) []byte { return order.AppendUint32(b, e.Login) },
	},
	{
		Ancestry, 8 + AncestorsMax*ancestorSize,
		func(e *Event, b []byte) { e.Ancestors.decode(b) },
		func(e *Event, b []byte) []byte { return e.Ancestors.append(b) },
	},
}

// What is known of an opened file: FILE_… in <opensnoop/record.h>.
const (
	fileCreated     = 1
	fileStatDiffers = 2
)

// cgroupNSBit, in the upper half of a cgroup's id, tells of a cgroup namespace.
const cgroupNSBit = 1 << 31

// cgroup decodes the id of one, and whether the process is in a cgroup namespace.
func cgroup(b []byte) (id uint64, inNS bool) {
	low, high := order.Uint32(b), order.Uint32(b[4:])
	return uint64(high&^cgroupNSBit)<<32 | uint64(low), high&cgroupNSBit != 0
}

// Has reports whether all fields of g are in f.
func (f Fields) Has(g Fields) bool { return f&g == g }

// size returns the size in bytes of the parts in a record, with what fills them up to a
// multiple of 8 bytes.
func (f Fields) size() int {
	size := 0
	for i := range parts {
		if f.Has(parts[i].field) {
			size += parts[i].size
		}
	}
	return (size + 7) &^ 7
}

// offset returns where the part of a field begins among those in a record.
func (f Fields) offset(field Fields) int {
	at := 0
	for i := range parts {
		if parts[i].field == field {
			break
		}
		if f.Has(parts[i].field) {
			at += parts[i].size
		}
	}
	return at
}

// decodeParts takes the parts that are there. What could not be read stays 0.
func (e *Event) decodeParts(there Fields, b []byte) {
	for i := range parts {
		p := &parts[i]
		if !there.Has(p.field) {
			continue
		}
		if e.Fields.Has(p.field) {
			p.decode(e, b)
		}
		b = b[p.size:]
	}
}

// appendParts appends what [Event.decodeParts] takes.
func (e *Event) appendParts(b []byte) []byte {
	end := len(b) + e.Fields.size()
	for i := range parts {
		if e.Fields.Has(parts[i].field) {
			b = parts[i].append(e, b)
		}
	}
	return append(b, make([]byte, end-len(b))...)
}
