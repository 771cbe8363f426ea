package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// children finds the most memory, in MB, that a process's children had, and theirs,
// by looking at them again and again.
type children struct {
	pid  int
	peak float64 // 0: none was seen
}

// look looks once. Children that end meanwhile are passed over.
func (c *children) look() { c.lookBelow(c.pid) }

func (c *children) lookBelow(pid any) {
	// proc_pid_task(5): each thread lists those that it started.
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%v/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(text)) {
			status, _ := os.ReadFile("/proc/" + child + "/status")
			if _, peak, err := parseMemory(string(status)); err == nil {
				c.peak = max(c.peak, peak)
			}
			c.lookBelow(child)
		}
	}
}
