// Package privilege tells which capabilities tracing needs, and which of them a
// process lacks.
package privilege

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Set is a set of capabilities(7), a bit each.
type Set uint64

// Has tells whether a capability, such as [unix.CAP_BPF], is in the set.
func (s Set) Has(capability int) bool { return s&(1<<capability) != 0 }

// Effective returns what this process may do.
func Effective() (Set, error) {
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("reading the process's capabilities: %w", err)
	}
	return Set(data[0].Effective) | Set(data[1].Effective)<<32, nil
}

// Missing returns the names of what lacks in the set to trace on a kernel of that
// version code. Linux 5.8 split CAP_BPF and CAP_PERFMON from CAP_SYS_ADMIN, which
// still stands for both.
func (s Set) Missing(version uint32) []string {
	if s.Has(unix.CAP_SYS_ADMIN) {
		return nil
	}
	if version < 5<<16|8<<8 {
		return []string{"CAP_SYS_ADMIN"}
	}
	var missing []string
	if !s.Has(unix.CAP_BPF) {
		missing = append(missing, "CAP_BPF")
	}
	if !s.Has(unix.CAP_PERFMON) {
		missing = append(missing, "CAP_PERFMON")
	}
	return missing
}
