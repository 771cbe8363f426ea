//go:build amd64 || arm64

package object

import "encoding/binary"

// order is the byte order of this machine's instructions. The reader of instructions
// wants a concrete one: with binary.NativeEndian it loses registers without a word.
var order = binary.LittleEndian
