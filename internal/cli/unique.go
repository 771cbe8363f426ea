package cli

import (
	"encoding/binary"
	"hash/maphash"

	"opensnoop/internal/event"
	"opensnoop/internal/plan"
	"opensnoop/internal/trace"
)

// uniqueMax is how many rows are remembered at least; twice as many at most, in some 4 MB.
const uniqueMax = 1 << 15

// unique knows which rows were shown: by program, path and outcome.
type unique struct {
	seeds       [2]maphash.Seed
	last, older map[[2]uint64]struct{}
	key         []byte
	max         int

	repeats   uint64 // rows that were shown before
	forgotten uint64 // rows that may be shown again, as they are remembered no more
}

func newUnique() *unique {
	return &unique{
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		last:  map[[2]uint64]struct{}{}, older: map[[2]uint64]struct{}{}, max: uniqueMax,
	}
}

// first reports whether such an open is the first one.
func (u *unique) first(e *event.Event) bool {
	u.key = appendUnique(u.key[:0], e)
	id := [2]uint64{maphash.Bytes(u.seeds[0], u.key), maphash.Bytes(u.seeds[1], u.key)}
	if _, ok := u.last[id]; ok {
		u.repeats++
		return false
	}
	_, known := u.older[id]
	if len(u.last) >= u.max {
		u.forgotten += uint64(len(u.older))
		u.last, u.older = u.older, u.last
		clear(u.last)
	}
	u.last[id] = struct{}{}
	if known {
		delete(u.older, id)
		u.repeats++
	}
	return !known
}

// appendUnique appends what tells an open from others.
func appendUnique(b []byte, e *event.Event) []byte {
	text := func(b, text []byte) []byte {
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...)
	}
	if e.Fields.Has(event.Exe) && e.Exe.Problem.Absolute() {
		b = text(b, e.Exe.Known)
	} else {
		b = text(b, e.Comm)
	}
	if e.Fields.Has(event.Path) && e.Path.Problem != event.PathNoName {
		b = append(text(b, e.Path.Known), byte(e.Path.Problem))
	} else {
		b = append(text(b, e.Name), byte(e.NameKind))
	}
	if e.Fields.Has(event.Result) && e.Result < 0 {
		return binary.LittleEndian.AppendUint32(append(b, 'e'), uint32(e.Result))
	}
	b = append(b, 'o')
	if e.Exec || e.Lookup != event.NoLookup {
		b = append(b, e.Op()...)
	}
	return binary.LittleEndian.AppendUint64(b, e.Flags)
}

// report says how many rows were not shown.
func (u *unique) report(m *messages) {
	if u == nil {
		return
	}
	if u.repeats > 0 {
		m.printf("%d opens were the same as rows shown (--unique)", u.repeats)
	}
	if u.forgotten > 0 {
		m.printf("%d rows were too many to remember: they may be shown again", u.forgotten)
	}
}

// uniqueWanted are the fields that --unique needs.
func uniqueWanted(opts *trace.Options) event.Fields {
	fields := event.Result | event.Flags
	for _, field := range []event.Fields{event.Path, event.Exe} {
		if plan.Supports(field, opts.Kernel) == nil {
			fields |= field
		}
	}
	return fields
}
