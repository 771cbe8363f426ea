package kernel

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const onlineFile = "/sys/devices/system/cpu/online"

// onlineTime is how often CPUs that have come are to be looked for where nothing tells.
const onlineTime = time.Second

// CPUs knows which CPUs are on line.
type CPUs struct {
	file  *os.File // onlineFile, kept open; nil before it is read
	page  []byte   // what is read, at most a page as of any file of sysfs
	text  string   // of onlineFile; "" if it cannot be read
	next  time.Time
	known map[int]bool
}

// Changed asks anew, and reports whether other CPUs may be on line than before. It takes
// some 10 µs.
func (c *CPUs) Changed() bool {
	text, err := c.read()
	if err != nil { // /sys is not mounted
		c.text, c.known = "", nil
		if time.Now().Before(c.next) {
			return false
		}
		c.next = time.Now().Add(onlineTime)
		return true
	}
	if string(text) == c.text {
		return false
	}
	c.text = string(text)
	c.known = parseCPUs(c.text)
	return true
}

// read reads the file. It is opened once: each reading from its start tells anew.
func (c *CPUs) read() ([]byte, error) {
	if c.file == nil {
		file, err := os.Open(onlineFile)
		if err != nil {
			return nil, err
		}
		c.file, c.page = file, make([]byte, os.Getpagesize())
	}
	n, err := c.file.ReadAt(c.page, 0)
	if n > 0 {
		err = nil // it is shorter than a page
	}
	return c.page[:n], err
}

// Online reports whether a CPU is on line; true if that is not known.
func (c *CPUs) Online(cpu int) bool { return c.known == nil || c.known[cpu] }

// parseCPUs reads a list of CPUs as the kernel writes it, such as 0-2,5; nil if it is none.
func parseCPUs(list string) map[int]bool {
	cpus := make(map[int]bool)
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return nil
		}
		to, err := strconv.ParseUint(last, 10, 16)
		if err != nil {
			return nil
		}
		for cpu := from; cpu <= to; cpu++ {
			cpus[int(cpu)] = true
		}
	}
	return cpus
}

// OnlineCPUs is how many CPUs are on line now, or the most that this process may run on.
func OnlineCPUs() int {
	var c CPUs
	c.Changed()
	return max(len(c.known), runtime.NumCPU())
}
