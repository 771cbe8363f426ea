package event

import (
	"fmt"
	"slices"
)

// Folder is what the kernel knows of the folders that a name may be relative to.
type Folder struct {
	DFD  int32 // the descriptor that the call passes for a relative name, or atFDCWD
	Base Walk  // from the folder of a relative name
	Root Walk  // from the process's root, which an absolute name is relative to
}

const atFDCWD = -100

// Walk is the way from a folder up to the tracer's root. One that the name does not need
// may be [walkNone].
type Walk struct {
	State WalkState
	// Components are the names of the folders on the way, the last first, each with a NUL
	// behind it. An empty one stands where the process's root is.
	Components []byte
}

// WalkState is how a walk ended: bits of enum walk_state in <opensnoop/record.h>.
type WalkState uint16

const (
	walkNone        WalkState = 1 << iota // it was not walked: not needed, or not possible yet
	walkInRoot                            // the folder is the root for this call (RESOLVE_IN_ROOT)
	walkBad                               // the descriptor is none
	walkDeleted                           // the folder has been deleted
	walkMore                              // there are more components than were read
	walkEscaped                           // the folder has been moved out of what is mounted
	walkUnreachable                       // the tracer's root is not on the way
	walkChanged                           // folders were renamed meanwhile, again and again

	walkNameLast // the name stands behind the walks, and in its place its address

	walkSpecial // no folder: the name of a file, then that of its kind of file system
	walkShared  // other threads may have changed where it begins
)

const baseStateAt = 6 // in the part

func (f *Folder) decode(b []byte) {
	f.DFD = int32(order.Uint32(b))
	f.Base.decode(b[4:])
	f.Root.decode(b[8:])
}

func (f *Folder) append(b []byte) []byte {
	return f.Root.append(f.Base.append(order.AppendUint32(b, uint32(f.DFD))))
}

// decode takes a walk's state; its components are elsewhere.
func (w *Walk) decode(b []byte) { w.State = WalkState(order.Uint16(b[2:])) }

func (w *Walk) append(b []byte) []byte {
	return order.AppendUint16(order.AppendUint16(b, uint16(len(w.Components))), uint16(w.State))
}

// A text is one of the strings of parts: where its length stands in the part, and where it
// belongs.
type text struct {
	field Fields
	at    int
	of    func(e *Event) *[]byte
}

// The texts in the order in which a record has them: those of the entry of a call, and those
// of its end. A name that was read late is between them.
var (
	entryTexts = []text{
		{Exe, 0, func(e *Event) *[]byte { return &e.Exe.Walk.Components }},
		{Path, 4, func(e *Event) *[]byte { return &e.Folder.Base.Components }},
		{Path, 8, func(e *Event) *[]byte { return &e.Folder.Root.Components }},
	}
	endTexts = []text{
		{File, 16, func(e *Event) *[]byte { return &e.Real.Walk.Components }},
	}
	allTexts = slices.Concat(entryTexts, endTexts)
)

// decodeTexts takes the strings beside the name, and returns what is behind them; b are the
// parts of the record.
func (e *Event) decodeTexts(there Fields, b, rest []byte, texts []text) ([]byte, error) {
	for _, t := range texts {
		if !there.Has(t.field) {
			continue
		}
		size := int(order.Uint16(b[there.offset(t.field)+t.at:]))
		if size > len(rest) {
			return nil, fmt.Errorf("a string of %d bytes in a record with room for %d", size, len(rest))
		}
		if size > 0 && e.Fields.Has(t.field) {
			*t.of(e) = rest[:size]
		}
		rest = rest[size:]
	}
	return rest, nil
}

// appendTexts appends what [Event.decodeTexts] takes.
func (e *Event) appendTexts(b []byte) []byte {
	for _, t := range allTexts {
		if e.Fields.Has(t.field) {
			b = append(b, *t.of(e)...)
		}
	}
	return b
}
