// Package filter says which opens to show: what the BPF program sorts out by itself, as
// macros for it, and what is left to be sorted out here.
package filter

import (
	"bytes"
	"slices"
	"strings"
	"syscall"

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

	Failed  bool            // only opens that fail
	Success bool            // only opens that succeed
	Errnos  []syscall.Errno // only opens that fail so

	ExcludedPIDs  []uint32 // processes not to show
	ExcludedUIDs  []uint32 // users not to show
	ExcludedComms []string // parts of comms, as Comms, not to show

	Flags []Flag // any of them

	// Paths are the files to show, ExcludedPaths those not to: by their absolute paths for
	// globs that begin with a slash, by their names as they were passed for the others. Of
	// both the kernel compares only how they start.
	Paths         Globs
	ExcludedPaths Globs

	// Exes are the programs that open: any of them, by their absolute paths.
	Exes Globs

	// Containers are containers by their names, titles, or by how their ids begin; with InContainer
	// any.
	Containers  []string
	InContainer bool

	// Units are units of systemd's: any of them, or of a slice, or of a user's service manager.
	Units []string

	// RealPaths are the files to show that are really opened, links followed: any of them.
	RealPaths Globs
}

// Flag matches opens whose flags have the value in the bits of the mask.
type Flag struct{ Mask, Value uint64 }

// Fields are those that a record needs for the filter.
func (f *Filter) Fields() event.Fields {
	var fields event.Fields
	if f.Failed || f.Success || len(f.Errnos) > 0 {
		fields |= event.Result
	}
	if len(f.Exes) > 0 {
		fields |= event.Exe
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
	if f.ByCgroup() {
		fields |= event.Cgroup
	}
	if !kernelHas(f.Comms) || !kernelHas(f.ExcludedComms) {
		fields |= event.Process
	}
	return fields
}

// Narrows reports whether it does not take all opens.
func (f *Filter) Narrows() bool {
	return f.NarrowsLate() || f.Failed || f.Success || f.Cgroups != "" || f.MountNamespaces != "" ||
		len(f.Flags)+len(f.PIDs)+len(f.Roots)+len(f.TIDs)+len(f.UIDs)+len(f.EUIDs)+len(f.Comms)+
			len(f.Errnos)+len(f.ExcludedPIDs)+len(f.ExcludedUIDs)+len(f.ExcludedComms) > 0
}

// NarrowsLate reports whether it chooses opens by what the kernel does not look at where it
// only counts them.
func (f *Filter) NarrowsLate() bool {
	return len(f.Paths)+len(f.ExcludedPaths)+len(f.RealPaths)+len(f.Exes) > 0 || f.ByCgroup() ||
		!kernelHas(f.Comms) || !kernelHas(f.ExcludedComms)
}

// Verdict is what a filter says of an open. Of several filters the least counts.
type Verdict uint8

const (
	Drop   Verdict = iota // it is not to be shown
	NoPath                // nor is this, whose file has no path that could be compared: it is to be counted
	Unsure                // it is to be shown: it may be wanted, what is not known of it would tell
	Show
)

// not is what a filter says that is for what not to show.
func (v Verdict) not() Verdict {
	switch v {
	case Show:
		return Drop
	case Unsure:
		return Unsure
	}
	return Show
}

// Of says whether an event of those that the BPF program lets through is to be shown. Nobody is
// to hide what is opened by keeping its name or its path from being known.
func (f *Filter) Of(e *event.Event) Verdict {
	if !f.wantsResult(e) || !f.wantsComm(e) || !f.WantsContainer(e.Container) || !f.WantsUnit(e.Unit) {
		return Drop
	}
	v := Show
	if len(f.Exes) > 0 {
		v = f.Exes.ofPlace(&e.Exe)
	}
	if len(f.Paths) > 0 {
		v = min(v, f.Paths.of(e))
	}
	if len(f.RealPaths) > 0 {
		v = min(v, f.RealPaths.ofReal(e))
	}
	return min(v, f.ExcludedPaths.of(e).not())
}

// ByContainer reports whether it chooses by containers.
func (f *Filter) ByContainer() bool { return f.InContainer || len(f.Containers) > 0 }

// ByCgroup reports whether it chooses by what cgroups are of.
func (f *Filter) ByCgroup() bool { return f.ByContainer() || len(f.Units) > 0 }

// WantsUnit reports whether opens of a unit are wanted. One that is not known may be any.
func (f *Filter) WantsUnit(u *event.Unit) bool {
	return len(f.Units) == 0 || u == nil || slices.ContainsFunc(f.Units, u.Is)
}

// idMin is how many characters of a container's id are taken for it, and not for a name.
const idMin = 6

// WantsContainer reports whether opens of a container are wanted. One that is not known may be
// any.
func (f *Filter) WantsContainer(c *event.Container) bool {
	if !f.ByContainer() || c == nil {
		return true
	}
	if len(f.Containers) == 0 {
		return c.ID != ""
	}
	for ; c != nil && c.ID != ""; c = c.Outer {
		for _, wanted := range f.Containers {
			if wanted == c.Name || wanted == c.ID || wanted == c.Title || len(wanted) >= idMin && strings.HasPrefix(c.ID, wanted) {
				return true
			}
		}
	}
	return false
}

// byPath reports whether absolute paths are compared.
func (f *Filter) byPath() bool { return f.Paths.byPath() || f.ExcludedPaths.byPath() }

// wantsResult reports whether opens are wanted that end as an event's. One of which that is
// not known has neither failed nor succeeded. The kernel does the same, but for calls that
// are taken from it before they end.
func (f *Filter) wantsResult(e *event.Event) bool {
	switch {
	case !f.Failed && !f.Success && len(f.Errnos) == 0:
		return true
	case e.Result == event.ResultUnknown, f.Failed && e.Result >= 0, f.Success && e.Result < 0:
		return false
	}
	return len(f.Errnos) == 0 || slices.Contains(f.Errnos, syscall.Errno(-e.Result))
}

// wantsComm reports whether the names of an event's task are wanted, as far as the kernel has not
// looked.
func (f *Filter) wantsComm(e *event.Event) bool {
	return (kernelHas(f.Comms) || hasComm(f.Comms, e)) && (kernelHas(f.ExcludedComms) || !hasComm(f.ExcludedComms, e))
}

// hasComm reports whether one of the parts is in the comm of an event's thread, or of its
// process.
func hasComm(parts []string, e *event.Event) bool {
	return slices.ContainsFunc(parts, func(part string) bool {
		return bytes.Contains(e.Comm, []byte(part)) || bytes.Contains(e.Process, []byte(part))
	})
}
