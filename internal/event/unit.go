package event

import "strings"

// Unit is what systemd runs a process as. Its zero value is that of a process of none.
type Unit struct {
	Name   string // of the unit; of the slice, if the process is in none but that
	Within string // the slices around it, and a user's service manager, the outermost first, with | between them
}

// NoUnit is that of processes that are in none.
var NoUnit = new(Unit)

// Is reports whether it is a unit, or within it.
func (u *Unit) Is(name string) bool {
	if u.Name == name {
		return true
	}
	for around := range strings.SplitSeq(u.Within, "|") {
		if around == name && name != "" {
			return true
		}
	}
	return false
}
