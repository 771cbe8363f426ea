// Package guest boots a stock kernel in QEMU and runs one command in it, on the
// host's own file system, or another folder's.
//
// Kernel.sh in this folder fetches the kernel of a version and unpacks it; Run
// boots it. The guest sees the host's files under the same paths, so a binary
// built a moment ago, and the libraries it needs, are simply there. What the
// guest writes stays in its memory and is gone when it ends. The command runs as
// root, with nothing on its standard input.
//
//	status, err := guest.Run(ctx, guest.Config{
//		Kernel:  ".cache/kernels/6.1",
//		Command: []string{"uname", "-r"},
//		Env:     []string{"PATH=/usr/bin:/bin"},
//		Stdout:  os.Stdout,
//	})
//
// The command guestrun does this for go test -exec.
package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

const (
	// DefaultTimeout ends a guest whose Config names no Timeout.
	DefaultTimeout = 15 * time.Minute

	// DefaultMemoryMB is the guest's memory where Config names none. It also
	// holds everything that the command writes to files. Bcc, with the headers of a
	// kernel, takes close to 1 GB.
	DefaultMemoryMB = 2048

	// DefaultCPUs is how many CPUs the guest has where its Config says nothing: one to take
	// off line, and one beyond it.
	DefaultCPUs = 3

	// kvmTrial is how long a guest may take to come up under KVM. Some hosts offer
	// /dev/kvm with nothing behind it, and QEMU then hangs.
	kvmTrial = 30 * time.Second
)

// Config says what to run in which guest. Kernel and Command are required.
type Config struct {
	// Kernel is the folder that kernel.sh unpacked a kernel into.
	Kernel string

	// Root is the folder that is the guest's file system; / if empty. It is for kernels of
	// another architecture, which have programs of theirs there.
	Root string

	// Command is the program to run and its arguments. A program without a slash
	// is looked up in Env's PATH, in the guest.
	Command []string

	// Dir is the folder to run it in, an absolute path; / if empty.
	Dir string

	// Env is the command's whole environment, as NAME=value.
	Env []string

	// Stdout takes the command's standard output and error, as they come.
	Stdout io.Writer

	// Console takes the kernel's messages. Without it the kernel prints only
	// warnings and worse, which boots faster; they come with the error if the
	// guest goes down.
	Console io.Writer

	// Timeout ends the guest, boot included. Zero means DefaultTimeout.
	Timeout time.Duration

	// MemoryMB is the guest's memory. Zero means DefaultMemoryMB.
	MemoryMB int

	// CPUs is how many the guest has. Zero means DefaultCPUs.
	CPUs int

	// Instructions has the guest's clock count instructions: each is a ns, and while the
	// guest waits, also for the host, the clock goes to when it goes on. It has one CPU.
	Instructions bool

	// Boot are more words for the kernel's command line.
	Boot string
}

// Run boots a guest, runs the command in it, and returns the command's exit
// status, which is 128 and the signal's number if a signal ended it. An error
// means that there is no such status: something is missing on the host, or the
// guest went down, hung, or was ended by ctx.
func Run(ctx context.Context, c Config) (status int, err error) {
	if runtime.GOARCH != "amd64" {
		return 0, fmt.Errorf("guests run on amd64 hosts only, this one is %s", runtime.GOARCH)
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Root == "" {
		c.Root = "/"
	}
	if c.CPUs == 0 {
		c.CPUs = DefaultCPUs
	}
	if c.MemoryMB == 0 {
		c.MemoryMB = DefaultMemoryMB
	}
	k, err := findKernel(c.Kernel)
	if err != nil {
		return 0, err
	}
	qemu, err := tool(k.machine.qemu)
	if err != nil {
		return 0, err
	}
	initramfs, err := buildInitramfs(ctx, k, c)
	if err != nil {
		return 0, fmt.Errorf("building the initramfs: %w", err)
	}
	defer initramfs.Close()

	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("the command had not ended after %v", c.Timeout))
	defer cancel()
	m := machine{qemu: qemu, kernel: k, initramfs: initramfs, share: share9p(c.Root), config: c}
	if !k.has9p() {
		scratch, err := os.MkdirTemp("", "guest-")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(scratch)
		serving, stop := context.WithCancel(ctx)
		defer stop()
		if m.share, err = shareByProcess(serving, c.Root, scratch, c.MemoryMB); err != nil {
			return 0, err
		}
	}
	// The process that serves the files ends with the first QEMU.
	if k.machine == machines["amd64"] && !c.Instructions && k.has9p() && kvmWorthTrying() {
		m.kvm = true
		status, err = m.run(ctx)
		if !errors.Is(err, errNotUp) || ctx.Err() != nil {
			return status, err
		}
		m.kvm = false
	}
	return m.run(ctx)
}
