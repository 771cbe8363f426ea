// Package filter says which opens to show: what the BPF program sorts out by itself, as
// macros for it, and what is left to be sorted out here.
package filter

import (
	"bytes"
	"slices"

	"opensnoop/internal/event"
)

// Filter chooses opens. The zero value takes all. Of several values of a field an open
// has to match one, of several fields all; the kernel applies them as far as it can, so
// that other opens cost next to nothing.
type Filter struct {
	PIDs []uint32 // processes (tgids)

	// Roots are processes that are traced with all that descend from them; PIDs are then
	// more to trace. With Running they may have descendants already, and without there is
	// one of them, which has not started any.
	Roots   []uint32
	Running bool

	TIDs  []uint32 // threads
	UIDs  []uint32 // users
	EUIDs []uint32 // effective users

	// Comms are parts of comms, of 1 to 15 bytes: any of them in that of the thread, or of
	// the process's first one.
	Comms []string

	// Cgroups and MountNamespaces are paths of pinned BPF maps, hashes whose keys
	// of 8 bytes are the ids of cgroups (bpf_get_current_cgroup_id) or the inodes
	// of mount namespaces; the values, of 8 and 4 bytes, do not matter. They may
	// be changed while they are in use.
	Cgroups         string
	MountNamespaces string

	Failed bool   // only opens that fail
	Flags  []Flag // any of them

	// Paths are the files to show, ExcludedPaths those not to: by their absolute paths for
	// globs that begin with a slash, by their names as they were passed for the others. Of
	// both the kernel compares only how they start.
	Paths         Globs
	ExcludedPaths Globs

	// RealPaths are the files to show that are really opened, links followed: any of them.
	RealPaths Globs
}

// Flag matches opens whose flags have the value in the bits of the mask.
type Flag struct{ Mask, Value uint64 }

// Fields are those that a record needs for the filter.
func (f *Filter) Fields() event.Fields {
	var fields event.Fields
	if f.Failed {
		fields |= event.Result
	}
	if len(f.Flags) > 0 {
		fields |= event.Flags
	}
	if f.byPath() {
		fields |= event.Path
	}
	if len(f.RealPaths) > 0 {
		fields |= event.File
	}
	if len(f.Comms) > 0 && !f.kernelHasComms() {
		fields |= event.Process
	}
	return fields
}

// Narrows reports whether it does not take all opens.
func (f *Filter) Narrows() bool {
	return f.NarrowsNames() || f.Failed || len(f.Flags) > 0 || len(f.PIDs)+len(f.Roots)+len(f.TIDs)+len(f.UIDs)+len(f.EUIDs)+len(f.Comms) > 0 ||
		f.Cgroups != "" || f.MountNamespaces != ""
}

// NarrowsNames reports whether it chooses opens by their names.
func (f *Filter) NarrowsNames() bool { return len(f.Paths)+len(f.ExcludedPaths)+len(f.RealPaths) > 0 }

// Wants reports whether an event of those that the BPF program lets through is to be
// shown.
func (f *Filter) Wants(e *event.Event) bool {
	if f.Failed && (e.Result >= 0 || e.Result == event.ResultUnknown) {
		return false
	}
	if !f.kernelHasComms() && !f.wantsComm(e.Comm) && !f.wantsComm(e.Process) {
		return false
	}
	if len(f.Paths) > 0 && !f.Paths.show(e) {
		return false
	}
	if len(f.RealPaths) > 0 && !f.RealPaths.showReal(e) {
		return false
	}
	return !f.ExcludedPaths.hide(e)
}

// byPath reports whether absolute paths are compared.
func (f *Filter) byPath() bool { return f.Paths.byPath() || f.ExcludedPaths.byPath() }

func (f *Filter) wantsComm(comm []byte) bool {
	return slices.ContainsFunc(f.Comms, func(part string) bool { return bytes.Contains(comm, []byte(part)) })
}
