package guest

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
)

// debianPackage names the package of each program that guests need.
var debianPackage = map[string]string{
	"qemu-system-x86_64":  "qemu-system-x86",
	"qemu-system-aarch64": "qemu-system-arm",
	"busybox":             "busybox-static",
	"cpio":                "cpio",
	"modprobe":            "kmod",
	"zstd":                "zstd",
}

// tool returns the path of a program, also when it is for administrators and they
// alone have its folder in their PATH.
func tool(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return filepath.Abs(path)
	}
	for _, folder := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is missing; install Debian's package %s", name, debianPackage[name])
}

// withStderr adds to the error of a command what the command said.
func withStderr(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return err
}
