package event

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// flagsUnread is FLAGS_UNREAD in <opensnoop/record.h>: in a record beside its fields, if the flags are there
// and could not be read.
const flagsUnread = 1 << 31

// fieldsOf returns the parts of a record of at least [headerSize] bytes, and those among them that
// could not be read.
func fieldsOf(record []byte) (there, unread Fields) {
	bits := order.Uint32(record[16:])
	if bits&flagsUnread != 0 {
		bits &^= flagsUnread
		unread = Flags
	}
	for _, n := range Numbers {
		if bits&n.Unread != 0 {
			bits &^= n.Unread
			unread |= n.Field
		}
	}
	return Fields(bits), unread
}

// Names names the fields, in the order in which records have them.
func (f Fields) Names() string {
	var names []string
	for i := range parts {
		if f.Has(parts[i].field) {
			names = append(names, parts[i].name)
		}
	}
	return strings.Join(names, " ")
}

// FieldMacros are the bits of all fields, as the BPF program has them: FIELD_PATH=64 and so on.
func FieldMacros() []string {
	var macros []string
	for i := range parts {
		macros = append(macros, fmt.Sprintf("FIELD_%s=%d", strings.ToUpper(parts[i].name), parts[i].field))
	}
	return macros
}

// Macros are those by which the BPF program makes records of these fields.
func (f Fields) Macros() []string {
	if f == 0 {
		return nil
	}
	var fill []string
	for _, n := range Numbers {
		if f.Has(n.Field) {
			fill = append(fill, fmt.Sprintf("set_number(r, %d, %s, %#x);", len(fill), n.C(), n.Unread))
		}
	}
	macros := []string{fmt.Sprintf("FIELDS=%d", f)}
	if fill == nil {
		return macros
	}
	return append(macros, fmt.Sprintf("NUMBERS=%d", len(fill)), "FILL_NUMBERS="+strings.Join(fill, " "))
}

// A part is what a record has of a field.
type part struct {
	name   string
	field  Fields
	size   int // bytes
	decode func(e *Event, b []byte)
	append func(e *Event, b []byte) []byte
}

var order = binary.NativeEndian

// parts are all there are, in the order in which a record has them.
var parts = append([]part{
	{
		"took", Took, 8,
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
		"flags", Flags, 12,
		func(e *Event, b []byte) { e.Flags, e.Mode = order.Uint64(b), order.Uint32(b[8:]) },
		func(e *Event, b []byte) []byte { return order.AppendUint32(order.AppendUint64(b, e.Flags), e.Mode) },
	},
	{
		"result", Result, 4,
		func(e *Event, b []byte) { e.Result = int32(order.Uint32(b)) },
		func(e *Event, b []byte) []byte { return order.AppendUint32(b, uint32(e.Result)) },
	},
	{
		"process", Process, CommSize,
		func(e *Event, b []byte) { e.Process = comm(b) },
		func(e *Event, b []byte) []byte { return appendComm(b, e.Process) },
	},
	{
		"path", Path, 12,
		func(e *Event, b []byte) { e.Folder.decode(b) },
		func(e *Event, b []byte) []byte { return e.Folder.append(b) },
	},
	{
		"exe", Exe, 4,
		func(e *Event, b []byte) { e.Exe.Walk.decode(b) },
		func(e *Event, b []byte) []byte { return e.Exe.Walk.append(b) },
	},
	{
		"file", File, 20,
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
		"pcomm", PComm, CommSize,
		func(e *Event, b []byte) { e.PComm = comm(b) },
		func(e *Event, b []byte) []byte { return appendComm(b, e.PComm) },
	},
	{
		"cgroup", Cgroup, 8,
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
		"args", Args, 4 + ArgsMax,
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
		"ancestors", Ancestry, 8 + AncestorsMax*ancestorSize,
		func(e *Event, b []byte) { e.Ancestors.decode(b) },
		func(e *Event, b []byte) []byte { return e.Ancestors.append(b) },
	},
}, partsOfNumbers()...)

// partsOfNumbers are those of [Numbers].
func partsOfNumbers() (parts []part) {
	for _, n := range Numbers {
		parts = append(parts, part{
			n.Name, n.Field, 4,
			func(e *Event, b []byte) { *n.Of(e) = order.Uint32(b) },
			func(e *Event, b []byte) []byte { return order.AppendUint32(b, *n.Of(e)) },
		})
	}
	return parts
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
