package format

import (
	"os"
	"syscall"
)

// ForeignUsers reports whether users' names here are a container's own, and not those of the
// host whose processes it shows: /etc/passwd is not that of process 1 or, where that is the
// container's too or not to be seen, nothing is mounted there.
func ForeignUsers(ownPIDs bool) bool {
	here, err := os.Stat(passwdFile)
	if host, hostErr := os.Stat("/proc/1/root" + passwdFile); hostErr == nil && !ownPIDs {
		return err != nil || !os.SameFile(here, host)
	}
	top, topErr := os.Stat("/")
	if topErr != nil || !weAreContained() {
		return false
	}
	return err != nil || here.Sys().(*syscall.Stat_t).Dev == top.Sys().(*syscall.Stat_t).Dev
}

// weAreContained reports whether there is a sign of podman, Docker or Kubernetes.
func weAreContained() bool {
	for _, name := range []string{"/run/.containerenv", "/.dockerenv", "/var/run/secrets/kubernetes.io"} {
		if _, err := os.Stat(name); err == nil {
			return true
		}
	}
	return os.Getenv("container") != "" || os.Getenv("KUBERNETES_SERVICE_HOST") != ""
}
