package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// kernel is an unpacked kernel package.
type kernel struct {
	folder  string
	release string // what uname -r says in the guest
	image   string // the path of its vmlinuz
	machine *machineType
}

// machineType is what runs the kernels of an architecture.
type machineType struct {
	qemu    string   // the program
	args    []string // to have such a machine
	console string   // its first serial port, by the kernel's name
	ports   string   // the device that is a port more; "" if any -serial is one
}

// machines are those there are, by Debian's names of the architectures, which kernels' releases
// end with.
var machines = map[string]*machineType{
	"amd64": {qemu: "qemu-system-x86_64", console: "ttyS0"},
	"arm64": {qemu: "qemu-system-aarch64", args: []string{"-machine", "virt"}, console: "ttyAMA0", ports: "pci-serial"},
}

// machineFor returns what runs a kernel of that release: one that names no architecture is the
// host's.
func machineFor(release string) *machineType {
	for _, word := range strings.Split(release, "-") {
		if m := machines[word]; m != nil {
			return m
		}
	}
	return machines["amd64"]
}

// Release returns what uname -r says in a guest with the kernel in a folder.
func Release(folder string) (string, error) {
	k, err := findKernel(folder)
	return k.release, err
}

// findKernel finds the one kernel in a folder. Debian's packages before 6.17 keep
// the image in boot, later ones beside the modules.
func findKernel(folder string) (kernel, error) {
	releases := make(map[string]bool)
	for _, place := range []string{"lib/modules", "usr/lib/modules"} {
		entries, err := os.ReadDir(filepath.Join(folder, place))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return kernel{}, fmt.Errorf("looking for a kernel: %w", err)
		}
		for _, e := range entries {
			releases[e.Name()] = true
		}
	}
	if len(releases) != 1 {
		return kernel{}, fmt.Errorf("%s holds %d kernels, not one; kernel.sh unpacks one there", folder, len(releases))
	}
	for release := range releases {
		for _, place := range []string{
			"boot/vmlinuz-" + release,
			"lib/modules/" + release + "/vmlinuz",
			"usr/lib/modules/" + release + "/vmlinuz",
		} {
			image := filepath.Join(folder, place)
			if info, err := os.Stat(image); err == nil && info.Mode().IsRegular() {
				return kernel{folder, release, image, machineFor(release)}, nil
			}
		}
		return kernel{}, fmt.Errorf("%s holds the modules of %s, but no vmlinuz", folder, release)
	}
	panic("unreachable")
}

// guestModules are what the guest needs to reach the host's files.
func (k kernel) guestModules() []string {
	if !k.has9p() {
		return []string{"virtio_pci", "virtiofs", "overlay"}
	}
	return []string{"virtio_pci", "9pnet_virtio", "9p", "overlay"}
}

// modules returns the files of guestModules and of all they need, in the order to
// load them.
func (k kernel) modules(ctx context.Context) ([]string, error) {
	modprobe, err := tool("modprobe")
	if err != nil {
		return nil, err
	}
	var files []string
	seen := make(map[string]bool)
	for _, name := range k.guestModules() {
		// Without -C, the host's modprobe.d would have a say.
		cmd := exec.CommandContext(ctx, modprobe, "-C", "/dev/null", "-d", k.folder, "-S", k.release, "--show-depends", name)
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("finding the module %s of %s: %w", name, k.release, withStderr(err))
		}
		needed, err := parseDepends(string(out))
		if err != nil {
			return nil, err
		}
		for _, file := range needed {
			if !seen[file] {
				seen[file] = true
				files = append(files, file)
			}
		}
	}
	return files, nil
}

// insmodLine is a line of modprobe --show-depends: a file, and perhaps parameters.
var insmodLine = regexp.MustCompile(`^insmod (.+?\.ko(?:\.(?:gz|xz|zst))?)(?:\s.*)?$`)

// parseDepends returns the files that modprobe --show-depends lists.
func parseDepends(out string) ([]string, error) {
	var files []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "builtin ") {
			continue
		}
		m := insmodLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("modprobe said %q, where a module's file was expected", line)
		}
		files = append(files, m[1])
	}
	return files, nil
}
