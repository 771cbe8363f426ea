package kernel

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Version is a kernel's version code: KERNEL_VERSION of linux/version.h, in which each
// part has a byte and a patch level above 255 counts as 255.
type Version uint32

// NewVersion returns the version of three numbers.
func NewVersion(major, minor, patch uint) Version {
	return Version(major<<16 | minor<<8 | min(patch, 255))
}

// String returns the version as people write it.
func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d", v>>16, v>>8&0xff, v&0xff)
}

// Release is what the running kernel calls itself (uname(2)).
type Release struct {
	Name    string // such as 6.1.0-56-amd64
	Build   string // such as #1 SMP Debian 6.1.176-1
	Machine string // such as x86_64
}

// CurrentRelease asks the running kernel for its names.
func CurrentRelease() (Release, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return Release{}, fmt.Errorf("reading the kernel's release: %w", err)
	}
	return Release{
		Name:    unix.ByteSliceToString(uts.Release[:]),
		Build:   unix.ByteSliceToString(uts.Version[:]),
		Machine: unix.ByteSliceToString(uts.Machine[:]),
	}, nil
}

// CurrentVersion returns the running kernel's version. The vDSO has the code itself, but
// may not be read by a process that was given rights by a file.
func CurrentVersion() (Version, error) {
	release, err := CurrentRelease()
	if err != nil {
		return 0, err
	}
	signature, _ := os.ReadFile("/proc/version_signature") // Ubuntu's alone
	return release.version(string(signature))
}

var (
	versionPattern   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([0-9]+)\.([0-9]+)(?:\.([0-9]+))?`) })
	debianPattern    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\bDebian ([0-9]+\.[0-9]+\.[0-9]+)`) })
	signaturePattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^Ubuntu \S+ ([0-9]+\.[0-9]+\.[0-9]+)`) })
)

// version finds the version that the kernel was built with. Debian's and Ubuntu's
// releases name that of the first kernel with the same interface for modules, and tell
// the true one elsewhere.
func (r Release) version(signature string) (Version, error) {
	text := r.Name
	if m := debianPattern().FindStringSubmatch(r.Build); m != nil {
		text = m[1]
	} else if m := signaturePattern().FindStringSubmatch(signature); m != nil {
		text = m[1]
	}
	m := versionPattern().FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("reading the kernel's version: its release %q begins with none", text)
	}
	var parts [3]uint
	for i := range parts {
		n, _ := strconv.ParseUint(m[i+1], 10, 16) // none is 0
		parts[i] = uint(n)
	}
	return NewVersion(parts[0], parts[1], parts[2]), nil
}
