package kernel

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Capabilities is a set of capabilities(7), a bit each.
type Capabilities uint64

// Has reports whether a capability, such as [unix.CAP_BPF], is in the set.
func (s Capabilities) Has(capability int) bool { return s&(1<<capability) != 0 }

// EffectiveCapabilities returns what this process may do.
func EffectiveCapabilities() (Capabilities, error) {
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("reading the process's capabilities: %w", err)
	}
	return Capabilities(data[0].Effective) | Capabilities(data[1].Effective)<<32, nil
}

// Missing returns the names of what lacks in the set to trace on a kernel of that
// version code. Linux 5.8 split CAP_BPF and CAP_PERFMON from CAP_SYS_ADMIN, which
// still stands for both.
func (s Capabilities) Missing(version Version) []string {
	if s.Has(unix.CAP_SYS_ADMIN) {
		return nil
	}
	if version < NewVersion(5, 8, 0) {
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

// GrantHelp says how this process can come by capabilities that it misses, by their names. What is
// not in the bounding set no sudo and no setcap gives: so it is in a container.
func GrantHelp(missing []string, program string) string {
	if inBounds() {
		return fmt.Sprintf("run it with sudo, or grant them once with: sudo setcap %s+ep %s", strings.ToLower(strings.Join(missing, ",")), program)
	}
	names := strings.ReplaceAll(strings.Join(missing, ","), "CAP_", "")
	return fmt.Sprintf("in a container, add --privileged, or --cap-add %s --security-opt seccomp=unconfined", names)
}

// inBounds reports whether this process can have the capabilities to trace.
func inBounds() bool {
	for _, c := range []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_BPF} {
		if in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0); err != nil || in == 1 {
			return true
		}
	}
	return false
}
