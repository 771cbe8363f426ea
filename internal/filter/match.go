package filter

import (
	"slices"

	"opensnoop/internal/event"
)

// OfAll is [Filter.Of] without the kernel's help, as for a recording. It does not look at Roots,
// Cgroups and MountNamespaces, which events do not tell of. Events must have the Fields of [Filter.AllFields].
func (f *Filter) OfAll(e *event.Event) Verdict {
	switch {
	case len(f.PIDs) > 0 && !slices.Contains(f.PIDs, e.TGID),
		len(f.TIDs) > 0 && !slices.Contains(f.TIDs, e.TID),
		len(f.UIDs) > 0 && !slices.Contains(f.UIDs, e.UID),
		len(f.EUIDs) > 0 && !slices.Contains(f.EUIDs, e.EUID),
		slices.Contains(f.ExcludedPIDs, e.TGID),
		len(f.ExcludedUIDs) > 0 && slices.Contains(f.ExcludedUIDs, e.UID),
		len(f.Comms) > 0 && !hasComm(f.Comms, e),
		hasComm(f.ExcludedComms, e):
		return Drop
	case len(f.Flags) > 0 && !slices.ContainsFunc(f.Flags, func(flag Flag) bool {
		return e.Flags&flag.Mask == flag.Value
	}):
		return Drop
	}
	return f.Of(e)
}

// AllFields are those that events must have for [Filter.OfAll].
func (f *Filter) AllFields() event.Fields {
	fields := f.Fields()
	if len(f.UIDs)+len(f.ExcludedUIDs) > 0 {
		fields |= event.UID
	}
	if len(f.EUIDs) > 0 {
		fields |= event.EUID
	}
	if len(f.Comms)+len(f.ExcludedComms) > 0 {
		fields |= event.Process
	}
	return fields
}
