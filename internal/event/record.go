package event

import (
	"bytes"
	"fmt"
	"strconv"
)

// headerSize is the size in bytes of what every record begins with. Parts follow, as
// the header tells, then the comm, then the name.
const headerSize = 24

// What a record is of: enum event_kind in <opensnoop/record.h>.
const (
	kindFixed    = 1
	kindExecuted = 2
	kindStated   = 3
	kindAccessed = 4
	kindLinkRead = 5
)

// addressSize is the size in bytes of what stands in the place of a name that is not known.
const addressSize = 8

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
		Fixed:    record[23] == kindFixed,
		Exec:     record[23] == kindExecuted,
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
	kind := byte(0)
	switch {
	case e.Fixed:
		kind = kindFixed
	case e.Exec:
		kind = kindExecuted
	case e.Lookup != NoLookup:
		kind = kindStated + byte(e.Lookup-Stat)
	}
	b = append(b, byte(e.NameKind), kind)
	b = e.appendParts(b)
	b = appendComm(b, e.Comm)
	if !e.NameKind.passed() {
		b = order.AppendUint64(b, e.Address)
	} else {
		b = append(b, e.Name...)
	}
	return e.appendTexts(b)
}
