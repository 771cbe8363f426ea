package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// A guest has the host's files by 9p, which QEMU serves itself, or, if its kernel was built without
// that, as those for clouds are, by virtiofs, which a process beside QEMU serves.

// shareLimit is how long that process may take to listen.
const shareLimit = 10 * time.Second

// has9p reports whether the kernel has 9p, by its configuration; true if that is not there.
func (k kernel) has9p() bool {
	config, err := os.ReadFile(filepath.Join(k.folder, "boot/config-"+k.release))
	return err != nil || !bytes.Contains(config, []byte("\n# CONFIG_NET_9P is not set\n"))
}

// share9p returns QEMU's arguments to serve a folder.
func share9p(root string) []string {
	return []string{"-virtfs", "local,path=" + root + ",mount_tag=host,security_model=none,readonly=on,multidevs=remap"}
}

// shareByProcess starts a process that serves a folder until QEMU or ctx ends, and returns QEMU's
// arguments for it. It reads the guest's memory, which is a file for that.
func shareByProcess(ctx context.Context, root, scratch string, memoryMB int) ([]string, error) {
	server := "/usr/lib/qemu/virtiofsd"
	if _, err := os.Stat(server); err != nil {
		return nil, fmt.Errorf("this guest's kernel has no 9p, and virtiofsd is missing (%w): it is in Debian 12's qemu-system-common", err)
	}
	socket := filepath.Join(scratch, "files")
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, server, "--socket-path="+socket, "-o", "source="+root, "-o", "sandbox=chroot", "-o", "cache=always")
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting virtiofsd: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for deadline := time.Now().Add(shareLimit); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		select {
		case err := <-ended:
			return nil, fmt.Errorf("virtiofsd ended (%v): %s", errors.Join(err, ctx.Err()), bytes.TrimSpace(said.Bytes()))
		default:
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("virtiofsd does not listen after %v", shareLimit)
		}
	}
	return []string{
		"-object", "memory-backend-memfd,id=memory,share=on,size=" + strconv.Itoa(memoryMB) + "M", "-numa", "node,memdev=memory",
		"-chardev", "socket,id=host,path=" + socket, "-device", "vhost-user-fs-pci,chardev=host,tag=host",
	}, nil
}
