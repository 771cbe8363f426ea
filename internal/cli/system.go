package cli

import (
	"slices"
	"strings"

	"opensnoop/internal/filter"
)

// leaveOutSystem adds what --no-system leaves out to the filter. A container's runtime is not shown as
// the container either, unless its name is asked for.
func (f *flags) leaveOutSystem() error {
	t := &f.trace.Filter
	if f.noSystem {
		globs, err := filter.SystemGlobs()
		if err != nil {
			return err
		}
		t.ExcludedPaths = append(t.ExcludedPaths, globs...)
	}
	asked := slices.ContainsFunc(t.Comms, func(part string) bool { return strings.Contains(part, "runc") })
	if (f.noSystem || t.ByContainer()) && !asked {
		t.ExcludedComms = append(t.ExcludedComms, filter.SystemComms...)
	}
	return nil
}
