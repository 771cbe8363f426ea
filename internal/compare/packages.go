package compare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// packagesTime is how long the package manager may take.
const packagesTime = time.Minute

// atOnce is how many files the package manager is asked for at a time.
const atOnce = 500

// Packages returns the packages that files are of, sorted, and how many files are of none, by dpkg or
// rpm.
func Packages(files []string) (packages []string, others int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), packagesTime)
	defer cancel()
	switch {
	case has("dpkg-query"):
		packages, others, err = askDpkg(ctx, files)
	case has("rpm"):
		packages, others, err = askRPM(ctx, files)
	default:
		err = errors.New("there is neither dpkg-query nor rpm here to ask which packages files are of")
	}
	slices.Sort(packages)
	return slices.Compact(packages), others, err
}

func has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// askDpkg asks dpkg. Packages may have a file by its path from before /usr was merged.
func askDpkg(ctx context.Context, files []string) (packages []string, others int, err error) {
	owner := map[string]string{}
	asked := map[string][]string{} // what is asked for, to the files: /lib/x and /usr/lib/x may both be among them
	var paths []string
	for _, file := range files {
		if strings.ContainsAny(file, "*?[\\\n") {
			continue // patterns to dpkg
		}
		names := []string{file}
		if rest, ok := strings.CutPrefix(file, "/usr/"); ok {
			names = append(names, "/"+rest)
		} else {
			names = append(names, "/usr"+file)
		}
		for _, name := range names {
			if asked[name] == nil {
				paths = append(paths, name)
			}
			asked[name] = append(asked[name], file)
		}
	}
	for some := range slices.Chunk(paths, atOnce) {
		out, err := ask(ctx, some, "dpkg-query", "--search", "--")
		if err != nil {
			return nil, 0, err
		}
		for line := range strings.Lines(string(out)) {
			name, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			if !ok || strings.HasPrefix(name, "diversion ") {
				continue
			}
			if name = onlyOf(name); name == "" {
				continue
			}
			for _, file := range asked[path] {
				owner[file] = name
			}
		}
	}
	return slices.Collect(maps.Values(owner)), len(files) - len(owner), nil
}

// onlyOf returns the package of dpkg's list, the first if it is one for several architectures; "" if
// there are others, as only folders are shared.
func onlyOf(list string) string {
	first, others, _ := strings.Cut(list, ", ")
	name, _, _ := strings.Cut(first, ":")
	for other := range strings.SplitSeq(others, ", ") {
		if other, _, _ = strings.Cut(other, ":"); other != name && others != "" {
			return ""
		}
	}
	return first
}

// ask asks a package manager for files. Its status is not 0 when it does not know one of them.
func ask(ctx context.Context, files []string, manager string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, manager, slices.Concat(args, files)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		return nil, fmt.Errorf("asking %s for packages: %w", manager, cmp.Or(ctx.Err(), err))
	}
	return out, nil
}

// askRPM asks rpm. It says in a sentence that a file is of none.
func askRPM(ctx context.Context, files []string) (packages []string, others int, err error) {
	for some := range slices.Chunk(files, atOnce) {
		some = slices.DeleteFunc(slices.Clone(some), func(file string) bool { return strings.Contains(file, "\n") })
		out, err := ask(ctx, some, "rpm", "-qf", "--qf", "%{NAME}\\n", "--")
		if err != nil {
			return nil, 0, err
		}
		for line := range strings.Lines(string(out)) {
			if name := strings.TrimSpace(line); strings.Contains(name, " ") {
				others++
			} else {
				packages = append(packages, name)
			}
		}
	}
	return packages, others, nil
}
