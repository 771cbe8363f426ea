package cli

import (
	"errors"
	"slices"
	"strings"

	"opensnoop/internal/filter"
)

// checkFilters returns an error if no open can pass the filters.
func checkFilters(f *filter.Filter, follow bool) error {
	failed := f.Failed || len(f.Errnos) > 0
	for _, c := range []struct {
		never   bool
		message string
	}{
		{f.Failed && f.Success, "no open both fails and succeeds: leave out -x or --success"},
		{len(f.Errnos) > 0 && f.Success, "no open both fails and succeeds: leave out --errno or --success"},
		{failed && len(f.RealPaths) > 0, "an open that fails has no --realpath: use --path, or leave out -x and --errno"},
		{!follow && within(f.PIDs, f.ExcludedPIDs), "no open is left: --exclude-pid names all processes of -p"},
		{within(f.UIDs, f.ExcludedUIDs), "no open is left: --exclude-uid names all users of -u"},
		{allContain(f.Comms, f.ExcludedComms), "no open is left: --exclude-name leaves out all that -n asks for"},
		{within(globTexts(f.Paths), globTexts(f.ExcludedPaths)), "no open is left: --exclude-path leaves out all that --path asks for"},
	} {
		if c.never {
			return errors.New(c.message)
		}
	}
	return nil
}

// within reports whether there are some, and all are among the others.
func within[T comparable](some, others []T) bool {
	return len(some) > 0 && !slices.ContainsFunc(some, func(one T) bool { return !slices.Contains(others, one) })
}

// allContain reports whether there are some, each with one of the others in it.
func allContain(some, others []string) bool {
	return len(some) > 0 && !slices.ContainsFunc(some, func(one string) bool {
		return !slices.ContainsFunc(others, func(other string) bool { return strings.Contains(one, other) })
	})
}

func globTexts(all filter.Globs) []string {
	texts := make([]string, len(all))
	for i, glob := range all {
		texts[i] = glob.String()
	}
	return texts
}
