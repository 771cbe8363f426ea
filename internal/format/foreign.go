package format

import (
	"bytes"
	"os"
)

// ForeignUsers reports whether users' names here are a container's own, and not those of the
// host whose processes it shows: /etc/passwd is not that of process 1 or, where that is the
// container's too or not to be seen, nothing is mounted there.
func ForeignUsers(ownPIDs bool) bool {
	here, err := os.Stat(passwdFile)
	if host, hostErr := os.Stat("/proc/1/root" + passwdFile); hostErr == nil && !ownPIDs {
		return err != nil || !os.SameFile(here, host)
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	return weAreContained(ownPIDs) && !bytes.Contains(mounts, []byte(" "+passwdFile+" "))
}

// weAreContained reports whether there is a sign of podman, Kubernetes or Docker. That of Docker
// is also there in virtual machines made of its images.
func weAreContained(ownPIDs bool) bool {
	for _, name := range []string{"/run/.containerenv", "/.dockerenv"} {
		if _, err := os.Stat(name); err == nil && (ownPIDs || name != "/.dockerenv") {
			return true
		}
	}
	return os.Getenv("container") != "" || os.Getenv("KUBERNETES_SERVICE_HOST") != ""
}
