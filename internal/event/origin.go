package event

import "encoding/binary"

// AppendOrigin appends what e has of the process that opens, but for its user, container and unit:
// the same bytes for all events that have the same of these.
func (e *Event) AppendOrigin(b []byte) []byte {
	cut := uint32(0)
	if e.Ancestors.Cut {
		cut = 1
	}
	for _, n := range [...]uint32{uint32(e.Fields), e.TGID, e.TID, e.ArgsSize, uint32(e.Exe.Problem), cut} {
		b = order.AppendUint32(b, n)
	}
	for _, n := range Numbers {
		if e.Fields.Has(n.Field) {
			b = order.AppendUint32(b, *n.Of(e))
		}
	}
	for _, text := range [...][]byte{e.Comm, e.Process, e.PComm, e.Ancestors.raw, e.Args, e.Exe.Known, e.Exe.Kind} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return b
}
