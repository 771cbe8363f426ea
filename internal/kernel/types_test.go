package kernel

import (
	"encoding/binary"
	"os"
	"slices"
	"testing"
)

// described are types as a kernel describes them: each of struct btf_type's words, and what
// follows it.
func described(strings string, types ...uint32) []byte {
	data := make([]byte, 0, headerSize+4*len(types)+len(strings))
	data = binary.NativeEndian.AppendUint16(data, typesMagic)
	data = append(data, 1, 0)
	size := uint32(4 * len(types))
	for _, word := range append([]uint32{headerSize, 0, size, size, uint32(len(strings))}, types...) {
		data = binary.NativeEndian.AppendUint32(data, word)
	}
	return append(data, strings...)
}

func info(kind kind, parts uint32) uint32 { return uint32(kind)<<24 | parts }

// struct s { int a:4; struct { const t c; }; } with t a name of union { int a; struct s *p; },
// and a tracepoint x of two arguments.
var example = described("\x00s\x00a\x00t\x00c\x00p\x00btf_trace_x\x00f\x00",
	0, info(kindInt, 0), 4, 0, // 1
	1, info(kindStruct, 2)|1<<31, 16, 3, 1, 4<<24, 0, 3, 64, // 2
	0, info(kindStruct, 1), 8, 7, 4, 0, // 3
	0, info(kindConst, 0), 5, // 4
	5, info(kindTypedef, 0), 6, // 5
	0, info(kindUnion, 2), 8, 3, 1, 0, 9, 7, 0, // 6
	0, info(kindPointer, 0), 2, // 7
	11, info(kindTypedef, 0), 9, // 8
	0, info(kindPointer, 0), 10, // 9
	0, info(kindFuncProto, 3), 0, 0, 7, 0, 1, 0, 1, // 10
	23, info(kindFunc, 0), 10, // 11
)

func TestParseTypes(t *testing.T) {
	facts := []Fact{
		{Macro: "A", Structure: "s", Members: []string{"a"}},
		{Macro: "C", Structure: "s", Members: []string{"c"}},
		{Macro: "P", Structure: "s", Members: []string{"c", "p"}},
		{Macro: "X", Tracepoint: "x"},
		{Macro: "NO", Structure: "s", Members: []string{"c", "p", "a"}, Optional: true}, // p points
		{Macro: "F", Structure: "f", Members: []string{"a"}, Optional: true},            // a function
		{Macro: "T", Structure: "t", Members: []string{"a"}, Optional: true},            // another's name
	}
	macros, functions, err := ask([][]byte{example}, facts, []string{"f", "s"})
	if want := []string{"A=0", "C=8", "P=8", "X=2", "NO=-1", "F=-1", "T=-1"}; !slices.Equal(macros, want) || err != nil {
		t.Errorf("%v, %v, want %v", macros, err, want)
	}
	if len(functions) != 1 || functions["f"] != 11 {
		t.Errorf("the functions %v", functions)
	}
}

// A module's types go on from the kernel's, in numbers and in strings.
func TestParseModule(t *testing.T) {
	const strings = 25 // bytes of the example's
	// struct m { int own; struct { struct m *c; } a; union { int a; struct s *p; }; }
	module := described("m\x00own\x00",
		0, info(kindPointer, 0), 13, // 12
		strings, info(kindStruct, 3), 24, strings+2, 1, 0, 3, 14, 64, 0, 6, 128, // 13
		0, info(kindStruct, 1), 8, 7, 12, 0, // 14
	)
	facts := []Fact{
		{Macro: "A", Structure: "s", Members: []string{"a"}},
		{Macro: "OWN", Structure: "m", Members: []string{"own"}},
		{Macro: "C", Structure: "m", Members: []string{"a", "c"}},
		{Macro: "P", Structure: "m", Members: []string{"p"}}, // of the kernel's union
		{Macro: "NO", Structure: "m", Members: []string{"x"}, Optional: true},
	}
	macros, _, err := ask([][]byte{example, nil, module}, facts, nil)
	if want := []string{"A=0", "OWN=0", "C=8", "P=16", "NO=-1"}; !slices.Equal(macros, want) || err != nil {
		t.Errorf("%v, %v, want %v", macros, err, want)
	}
}

func FuzzTypes(f *testing.F) {
	f.Add(example)
	f.Add(example[:len(example)-30])
	f.Add(described("\x00s\x00", 1, info(kindStruct, 1), 8, 0, 1, 0)) // within itself
	f.Add(described("\x00btf_trace_x\x00", 1, info(kindTypedef, 0), 1))
	if data, err := os.ReadFile(TypesFile); err == nil {
		f.Add(data[:1<<16])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		facts := []Fact{{Macro: "P", Structure: "s", Members: []string{"c", "p"}}, {Macro: "X", Tracepoint: "x"}}
		macros, _, err := ask([][]byte{data, data}, facts, []string{"f"})
		if err == nil && len(macros) != len(facts) {
			t.Errorf("%v without an error", macros)
		}
	})
}
