package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// The format of the kernel's description of its types (BTF), by Documentation/bpf/btf.rst: a
// header, then types that refer to each other by their numbers, in order from 1, then strings.
// What a library reads in 25 ms to offer all of it, a start has to wait for; this takes down
// where each type begins, and looks at those that are asked for.

// kind is what a type is, as numbered there.
type kind uint32

const (
	kindInt kind = 1 + iota
	kindPointer
	kindArray
	kindStruct
	kindUnion
	kindEnum
	kindForward
	kindTypedef
	kindVolatile
	kindConst
	kindRestrict
	kindFunc
	kindFuncProto
	kindVariable
	kindDataSection
	kindFloat
	kindDeclTag
	kindTypeTag
	kindEnum64
)

const (
	typesMagic = 0xeb9f
	headerSize = 24
	typeSize   = 12 // struct btf_type
	memberSize = 12 // struct btf_member
)

// A type is followed by so many bytes, and by so many more for each of its parts.
var typeTails = [...]struct{ once, each uint64 }{
	kindInt: {4, 0}, kindPointer: {}, kindArray: {12, 0}, kindStruct: {0, memberSize}, kindUnion: {0, memberSize},
	kindEnum: {0, 8}, kindForward: {}, kindTypedef: {}, kindVolatile: {}, kindConst: {}, kindRestrict: {}, kindFunc: {},
	kindFuncProto: {0, 8}, kindVariable: {4, 0}, kindDataSection: {0, 12}, kindFloat: {}, kindDeclTag: {4, 0},
	kindTypeTag: {}, kindEnum64: {0, 12},
}

var errCutShort = errors.New("the kernel's description of its types is cut short")

// types are those that a description has.
type types struct {
	kernel         *types // of a module's, which go on from there: their numbers, and where strings are
	bytes, strings []byte
	first          uint32   // the number of the first
	starts         []uint32 // where each begins in bytes; of the kernel's there is none with the number 0
	named          map[typeName]uint32
}

type typeName struct {
	kind kind
	name string
}

// typ is one of them.
type typ struct {
	kind  kind
	parts int
	flag  bool
	other uint32 // the number of the type that it refers to; a structure's size
	tail  uint64 // where what follows it begins
}

// isName is whether it is but another type by another name.
func (t *typ) isName() bool {
	return t.kind >= kindTypedef && t.kind <= kindRestrict || t.kind == kindTypeTag
}

// parseTypes parses a description, and finds the types with these names. Of a module's it is given
// the kernel's types.
func parseTypes(data []byte, names []string, kernel *types) (*types, error) {
	if len(data) < headerSize || binary.NativeEndian.Uint16(data) != typesMagic {
		return nil, errors.New("the kernel's description of its types (CONFIG_DEBUG_INFO_BTF) is of no known format")
	}
	u32 := func(at int) uint64 { return uint64(binary.NativeEndian.Uint32(data[at:])) }
	section := func(at int) []byte {
		begin := u32(4) + u32(at)
		end := begin + u32(at+4)
		if end > uint64(len(data)) {
			return nil
		}
		return data[begin:end]
	}
	t := &types{bytes: section(8), strings: section(16), named: make(map[typeName]uint32)}
	if len(t.bytes) == 0 || len(t.strings) == 0 {
		return nil, errCutShort
	}
	t.starts = make([]uint32, 0, len(t.bytes)/20) // most are of 12 to 36 bytes
	if t.kernel = kernel; kernel == nil {
		t.starts = append(t.starts, 0)
	} else {
		t.first = uint32(len(kernel.starts))
	}
	// A look at its first byte tells most names from those that are looked for.
	var first [256][]string
	for _, name := range names {
		if name != "" {
			first[name[0]] = append(first[name[0]], name)
		}
	}
	for at := uint64(0); at < uint64(len(t.bytes)); {
		if at+typeSize > uint64(len(t.bytes)) {
			return nil, errCutShort
		}
		info := binary.NativeEndian.Uint32(t.bytes[at+4:])
		kind := kind(info >> 24 & 0x1f)
		if kind == 0 || int(kind) >= len(typeTails) {
			return nil, fmt.Errorf("the kernel's description of its types has one of an unknown kind, %d", kind)
		}
		if kind == kindStruct || kind == kindTypedef || kind == kindFunc {
			t.index(kind, binary.NativeEndian.Uint32(t.bytes[at:]), &first)
		}
		t.starts = append(t.starts, uint32(at))
		tail := &typeTails[kind]
		at += typeSize + tail.once + tail.each*uint64(info&0xffff)
	}
	return t, nil
}

// index takes down the number that a type is about to have, if its name is looked for.
func (t *types) index(kind kind, at uint32, first *[256][]string) {
	s := t.from(at)
	if len(s) == 0 {
		return
	}
	for _, name := range first[s[0]] {
		if len(s) <= len(name) || s[len(name)] != 0 || string(s[:len(name)]) != name {
			continue
		}
		if _, ok := t.number(kind, name); !ok {
			t.named[typeName{kind, name}] = t.first + uint32(len(t.starts))
		}
	}
}

// from returns the strings from one on; nil if it is none.
func (t *types) from(at uint32) []byte {
	if t.kernel != nil {
		if at < uint32(len(t.kernel.strings)) {
			return t.kernel.strings[at:]
		}
		at -= uint32(len(t.kernel.strings))
	}
	if uint64(at) >= uint64(len(t.strings)) {
		return nil
	}
	return t.strings[at:]
}

// number returns the number of a type.
func (t *types) number(kind kind, name string) (uint32, bool) {
	number, ok := t.named[typeName{kind, name}]
	return number, ok
}

// at returns the type with a number; the zero value is void, and what is not of this description.
func (t *types) at(number uint32) typ {
	if number == 0 || number < t.first || uint64(number-t.first) >= uint64(len(t.starts)) {
		return typ{}
	}
	start := uint64(t.starts[number-t.first])
	b := t.bytes[start : start+typeSize]
	info := binary.NativeEndian.Uint32(b[4:])
	return typ{
		kind: kind(info >> 24 & 0x1f), parts: int(info & 0xffff), flag: info>>31 != 0,
		other: binary.NativeEndian.Uint32(b[8:]), tail: start + typeSize,
	}
}

// member is a structure's or a union's.
type member struct {
	name   string
	offset uint32 // in bytes, of a bit field that of its first
	number uint32 // of its type
}

// members are those of a structure or a union.
func (t *types) members(whole typ) iter.Seq[member] {
	return func(yield func(member) bool) {
		if whole.kind != kindStruct && whole.kind != kindUnion {
			return
		}
		for i := range uint64(whole.parts) {
			at := whole.tail + i*memberSize
			if at+memberSize > uint64(len(t.bytes)) {
				return
			}
			b := t.bytes[at : at+memberSize]
			bits := binary.NativeEndian.Uint32(b[8:])
			if whole.flag {
				bits &= 0xffffff // above it is the size of a bit field
			}
			if !yield(member{t.text(binary.NativeEndian.Uint32(b)), bits / 8, binary.NativeEndian.Uint32(b[4:])}) {
				return
			}
		}
	}
}

// text returns a string, by where it begins.
func (t *types) text(at uint32) string {
	s := t.from(at)
	end := bytes.IndexByte(s, 0)
	if end < 0 {
		return ""
	}
	return string(s[:end])
}
