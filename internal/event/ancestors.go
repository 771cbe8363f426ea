package event

// AncestorsMax is how many processes are kept of those that one descends from, with itself:
// ANCESTORS_MAX in <opensnoop/record.h>.
const AncestorsMax = 32

// ancestorSize is the size of struct ancestor there.
const ancestorSize = 4 + CommSize

// Ancestors are a process and all that it descends from, up to the first process or to the one that is
// followed, as they were at the call.
type Ancestors struct {
	Cut bool   // there are more
	raw []byte // the process is the first
}

// Len is how many there are; 0 if that is not known.
func (a *Ancestors) Len() int { return len(a.raw) / ancestorSize }

// At returns the number and the comm of one: 0 is the process itself, and 1 its parent.
func (a *Ancestors) At(i int) (tgid uint32, name []byte) {
	b := a.raw[i*ancestorSize:]
	return order.Uint32(b), comm(b[4:])
}

// Add adds one further up.
func (a *Ancestors) Add(tgid uint32, name []byte) {
	a.raw = appendComm(order.AppendUint32(a.raw, tgid), name)
}

// Reset makes it unknown, and keeps the memory.
func (a *Ancestors) Reset() { a.Cut, a.raw = false, a.raw[:0] }

func (a *Ancestors) decode(b []byte) {
	a.Cut = order.Uint32(b) != 0
	if n := min(order.Uint32(b[4:]), AncestorsMax); n > 0 {
		a.raw = b[8 : 8+n*ancestorSize]
	}
}

func (a *Ancestors) append(b []byte) []byte {
	cut := uint32(0)
	if a.Cut {
		cut = 1
	}
	b = order.AppendUint32(order.AppendUint32(b, cut), uint32(a.Len()))
	b = append(b, a.raw...)
	return append(b, make([]byte, AncestorsMax*ancestorSize-len(a.raw))...)
}
