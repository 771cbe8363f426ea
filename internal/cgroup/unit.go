package cgroup

import (
	"slices"
	"strings"

	"opensnoop/internal/event"
)

// unitKinds are the kinds of units that systemd puts processes into, as their names end; slices are
// around these.
var unitKinds = []string{".service", ".scope", ".socket", ".mount", ".swap"}

const slice = ".slice"

// unitOf finds by the path of a cgroup which unit of systemd's it is of: of the system's service
// manager or, below a user's, of that one. What a unit has below it is its own to call.
func unitOf(path string) event.Unit {
	var names []string
	inUser := false
	for folder := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		// So systemd calls a folder that would be taken for a file of the kernel's.
		name := strings.TrimPrefix(folder, "_")
		isSlice := isUnit(name, slice)
		if !isSlice && !slices.ContainsFunc(unitKinds, func(kind string) bool { return isUnit(name, kind) }) {
			break
		}
		names = append(names, name)
		if isSlice {
			continue
		}
		if inUser || !isManager(name) {
			break
		}
		inUser = true
	}
	if len(names) == 0 {
		return event.Unit{}
	}
	last := len(names) - 1
	return event.Unit{Name: names[last], Within: strings.Join(names[:last], "|")}
}

// unitMax is how long the name of a unit is at most (UNIT_NAME_MAX).
const unitMax = 255

// isUnit reports whether it is the name of a unit of a kind (systemd.unit(5)).
func isUnit(name, kind string) bool {
	stem, ok := strings.CutSuffix(name, kind)
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@"
	return ok && stem != "" && stem[0] != '@' && len(name) <= unitMax && strings.Trim(stem, letters) == ""
}

// isManager reports whether a unit is a user's service manager.
func isManager(name string) bool {
	user, ok := strings.CutPrefix(name, "user@")
	user, ok2 := strings.CutSuffix(user, ".service")
	return ok && ok2 && user != "" && strings.Trim(user, "0123456789") == ""
}
