package compare

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// packagesTime is how long the package manager may take.
const packagesTime = time.Minute

// atOnce is how many files the package manager is asked for at a time.
const atOnce = 500

// Packages returns the packages that files are of, sorted, and the files that are of none, by dpkg or
// rpm.
func Packages(files []string) (packages, others []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), packagesTime)
	defer cancel()
	owner := map[string]string{}
	switch {
	case has("dpkg-query"):
		err = askDpkg(ctx, files, owner)
	case has("rpm"):
		err = askRPM(ctx, files, owner)
	default:
		err = errors.New("there is neither dpkg-query nor rpm here to ask which packages files are of")
	}
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		if name := owner[file]; name == "" {
			others = append(others, file)
		} else {
			packages = append(packages, name)
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages), others, nil
}

func has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// askDpkg asks dpkg. Packages may have a file by its path from before /usr was merged.
func askDpkg(ctx context.Context, files []string, owner map[string]string) error {
	asked := map[string]string{} // what is asked for, to the file
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
			asked[name] = file
			paths = append(paths, name)
		}
	}
	for some := range slices.Chunk(paths, atOnce) {
		// Its status is 1 when it does not know one of them.
		out, err := exec.CommandContext(ctx, "dpkg-query", append([]string{"--search", "--"}, some...)...).Output()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
			return fmt.Errorf("asking dpkg-query for packages: %w", errors.Join(err, ctx.Err()))
		}
		for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
			name, path, ok := strings.Cut(lines.Text(), ": ")
			if file := asked[path]; ok && file != "" && !strings.HasPrefix(name, "diversion ") {
				name, _, _ = strings.Cut(name, ", ")
				owner[file] = name
			}
		}
	}
	return nil
}

func askRPM(ctx context.Context, files []string, owner map[string]string) error {
	for _, file := range files {
		out, err := exec.CommandContext(ctx, "rpm", "-qf", "--qf", "%{NAME}", "--", file).Output()
		if ctx.Err() != nil {
			return fmt.Errorf("asking rpm for packages: %w", ctx.Err())
		}
		if err == nil {
			owner[file] = string(out)
		}
	}
	return nil
}
