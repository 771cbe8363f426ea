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

	// RootsExcluded is whether Roots are what not to show, with all that descends from them from now
	// on.
	RootsExcluded bool

	TIDs  []uint32 // threads
	UIDs  []uint32 // users
	EUIDs []uint32 // effective users
	GIDs  []uint32 // groups

	// Logins are users who logged in, whoever their processes run as by now.
	Logins []uint32

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

	// Under are comms: of the process, or of any that it descends from.
	Under []string

	// Slower shows only opens that take longer; 0 is any time. An open whose time is not known is shown.
	Slower Duration

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

// used are the filters that are.
func (f *Filter) used() []*Entry {
	return slices.DeleteFunc(slices.Clone(Table), func(e *Entry) bool { return !e.used(f) })
}

// Fields are those that a record needs for the filter.
func (f *Filter) Fields() (fields event.Fields) {
	for _, e := range f.used() {
		if e.needs != nil {
			fields |= e.needs(f)
		}
	}
	return fields
}

// Compared are those that the BPF program compares, whether records have them or not.
func (f *Filter) Compared() (fields event.Fields) {
	for _, e := range f.used() {
		fields |= e.compares
	}
	return fields
}

// Columns are those that show what the filter chooses by.
func (f *Filter) Columns() (names []string) {
	for _, e := range f.used() {
		if e.Column != "" {
			names = append(names, e.Column)
		}
	}
	return names
}

// Narrows reports whether it does not take all opens.
func (f *Filter) Narrows() bool { return len(f.used()) > 0 }

// ByResult reports whether it takes an open's result to say whether it is to be shown.
func (f *Filter) ByResult() bool { return f.Failed || f.Success || len(f.Errnos) > 0 }

// NarrowsLate reports whether it chooses opens by what the kernel does not look at where it
// only counts them.
func (f *Filter) NarrowsLate() bool {
	return slices.ContainsFunc(f.used(), func(e *Entry) bool { return e.exact != nil && !e.exact(f) })
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

// Matcher applies a filter to events. Nobody is to hide what is opened by keeping its name or its path
// from being known.
type Matcher struct {
	filter  *Filter
	entries []*Entry
}

// Late is for events that the BPF program let through.
func (f *Filter) Late() Matcher {
	return f.matcher(func(e *Entry) bool { return e.late || e.exact != nil && !e.exact(f) })
}

// All is without the kernel's help, as for a recording. It does not look at what events do not tell of:
// Roots, Cgroups and MountNamespaces. Events must have the fields of [Filter.AllFields].
func (f *Filter) All() Matcher { return f.matcher(func(*Entry) bool { return true }) }

func (f *Filter) matcher(takes func(*Entry) bool) Matcher {
	m := Matcher{filter: f}
	for _, e := range f.used() {
		if e.match != nil && takes(e) {
			m.entries = append(m.entries, e)
		}
	}
	return m
}

// AllFields are those that events must have for [Filter.All].
func (f *Filter) AllFields() event.Fields {
	fields := f.Fields()
	for _, e := range f.used() {
		fields |= e.reads
	}
	return fields
}

// Of says whether an event is to be shown.
func (m *Matcher) Of(e *event.Event) Verdict {
	v := Show
	for _, entry := range m.entries {
		if v = min(v, entry.match(m.filter, e)); v == Drop {
			break
		}
	}
	return v
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

// isUnder reports whether a process, or one that it descends from, has one of the names, or may have.
func (f *Filter) isUnder(a *event.Ancestors) bool {
	for i := range a.Len() {
		if _, comm := a.At(i); slices.Contains(f.Under, string(comm)) {
			return true
		}
	}
	return a.Cut || a.Len() == 0
}

// byPath reports whether absolute paths are compared.
func (f *Filter) byPath() bool { return f.Paths.byPath() || f.ExcludedPaths.byPath() }

// hasComm reports whether one of the parts is in the comm of an event's thread, or of its
// process.
func hasComm(parts []string, e *event.Event) bool {
	return slices.ContainsFunc(parts, func(part string) bool {
		return bytes.Contains(e.Comm, []byte(part)) || bytes.Contains(e.Process, []byte(part))
	})
}
