package proc

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Readers are the processes that read what this one writes to a pipe.
type Readers struct {
	PIDs []uint32 // they, and those that read what they write to stdout, and so on

	// Above are those of them that this process descends from, such as a shell that reads the end of
	// its own pipeline.
	Above []uint32
}

// descriptorsMax is at how many descriptors of a process is looked, for one that is a pipe.
const descriptorsMax = 256

// ReadersOf finds who reads from a pipe, by its descriptor here. Readers are looked for at stdin, and at
// other descriptors where they are of this process's session, or above it. A shell has both ends
// of the pipe until it has started its readers: those above are taken if there are no others.
func ReadersOf(root string, fd int) (r Readers, err error) {
	pipe, err := os.Readlink(fmt.Sprintf("%s/self/fd/%d", root, fd))
	if err != nil {
		return r, err
	}
	self := uint32(os.Getpid())
	all, err := All(root)
	if err != nil {
		return r, err
	}
	byPID := make(map[uint32]Process)
	for _, p := range all {
		byPID[p.PID] = p
	}
	var above []uint32
	for pid := byPID[self].Parent; pid > 1 && !slices.Contains(above, pid); pid = byPID[pid].Parent {
		above = append(above, pid)
	}
	reads := make(map[string][]uint32)
	for _, p := range all {
		if p.PID == self || p.PID == 1 {
			continue
		}
		for _, link := range readsFrom(root, p.PID, p.Session == byPID[self].Session || slices.Contains(above, p.PID)) {
			reads[link] = append(reads[link], p.PID)
		}
	}
	isAbove := func(pid uint32) bool { return slices.Contains(above, pid) }
	for pipes := []string{pipe}; len(pipes) > 0; pipes = pipes[1:] {
		found := reads[pipes[0]]
		delete(reads, pipes[0])
		others := slices.DeleteFunc(slices.Clone(found), isAbove)
		if len(others) == 0 && pipes[0] == pipe {
			r.Above = found
		} else {
			found = others
		}
		for _, pid := range found {
			r.PIDs = append(r.PIDs, pid)
			if next, err := os.Readlink(fmt.Sprintf("%s/%d/fd/1", root, pid)); err == nil && strings.HasPrefix(next, "pipe:") {
				pipes = append(pipes, next)
			}
		}
	}
	slices.Sort(r.PIDs)
	r.PIDs = slices.Compact(r.PIDs)
	return r, nil
}

// readsFrom are the links of the files that a process can read from: of stdin, or of some more.
func readsFrom(root string, pid uint32, more bool) (links []string) {
	folder := fmt.Sprintf("%s/%d/fd/", root, pid)
	names := []string{"0"}
	if more {
		dir, err := os.Open(folder)
		if err != nil {
			return nil // it has ended
		}
		names, _ = dir.Readdirnames(descriptorsMax)
		dir.Close()
	}
	for _, name := range names {
		link, err := os.Readlink(folder + name)
		if err != nil || slices.Contains(links, link) {
			continue
		}
		// Of a FIFO the link is its path. What may be read shows in the link's mode.
		if st, err := os.Lstat(folder + name); err == nil && st.Mode()&0o400 != 0 {
			links = append(links, link)
		}
	}
	return links
}
