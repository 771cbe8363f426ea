// Package proc says what /proc tells of other processes, and what limits of this one would stop
// tracing somewhere on its way, before they do so: those that Go's runtime needs before it starts.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Root is where /proc is mounted.
const Root = "/proc"

// Process is one that /proc shows.
type Process struct {
	PID     uint32
	Comm    []byte // of its first thread
	Parent  uint32
	Group   uint32
	Session uint32
	Ended   bool // and its parent has not asked for its status
}

// All are all processes that /proc, which is mounted on root, shows. Those that end meanwhile are
// left out.
func All(root string) ([]Process, error) {
	pids, err := numbers(root)
	var all []Process
	for _, pid := range pids {
		if p, err := Read(root, pid); err == nil {
			all = append(all, p)
		}
	}
	return all, err
}

// numbers are the numbers of all processes that /proc shows.
func numbers(root string) (pids []uint32, err error) {
	dir, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		if pid, err := strconv.ParseUint(name, 10, 32); err == nil {
			pids = append(pids, uint32(pid))
		}
	}
	return pids, err
}

// Read reads what it shows of one. The error of one that is not there is [os.ErrNotExist].
func Read(root string, pid uint32) (Process, error) {
	name := filepath.Join(root, strconv.FormatUint(uint64(pid), 10), "stat")
	text, err := os.ReadFile(name)
	if err != nil {
		return Process{}, err
	}
	// proc_pid_stat(5): the comm, in parentheses, may be anything, with parentheses in it.
	begin, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if begin < 0 || end < begin {
		return Process{}, fmt.Errorf("%s has no comm", name)
	}
	p := Process{PID: pid, Comm: text[begin+1 : end]}
	var state string
	if _, err := fmt.Sscan(string(text[end+1:]), &state, &p.Parent, &p.Group, &p.Session); err != nil {
		return Process{}, fmt.Errorf("%s: %w", name, err)
	}
	p.Ended = state == "Z" || state == "X"
	return p, nil
}

// ThreadGroup returns the process that a thread belongs to.
func ThreadGroup(root string, tid uint32) (uint32, error) {
	text, err := os.ReadFile(filepath.Join(root, strconv.FormatUint(uint64(tid), 10), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var tgid uint32
		if n, _ := fmt.Sscanf(line, "Tgid: %d", &tgid); n == 1 {
			return tgid, nil
		}
	}
	return 0, errors.New("its status names no thread group")
}
