package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// errNotUp is why a guest under KVM is given up.
var errNotUp = errors.New("the guest did not come up")

// powerOffLimit is how long QEMU may take to end once the command's status is
// known.
const powerOffLimit = 10 * time.Second

// machine is a QEMU to be run.
type machine struct {
	qemu      string
	kernel    kernel
	initramfs *os.File
	kvm       bool
	share     []string // QEMU's arguments for the host's files
	config    Config
}

// kvmWorthTrying tells whether the CPU says that it can, and we may.
func kvmWorthTrying() bool {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || !hasVirtualization(string(info)) {
		return false
	}
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

var virtualizationFlag = regexp.MustCompile(`(?m)^flags[ \t]*:.* (vmx|svm)( |$)`)

// hasVirtualization reads /proc/cpuinfo.
func hasVirtualization(cpuinfo string) bool {
	return virtualizationFlag.MatchString(cpuinfo)
}

// args returns QEMU's arguments. Its serial ports write to the descriptors 3, 4
// and 5: the kernel's console, the command's output, and the init script's lines.
// It reads the initramfs from 6.
func (m machine) args() []string {
	// With a thread for each CPU, QEMU's emulation at times runs code that the
	// kernel has just changed, as it does to attach probes, and the kernel crashes.
	accel, cpu := "tcg,thread=single", "max"
	if m.kvm {
		accel, cpu = "kvm", "host"
	}
	// panic=-1 restarts at once, and -no-reboot makes an end of that.
	boot := "console=" + m.kernel.machine.console + " panic=-1 oops=panic"
	if m.config.Console == nil {
		boot += " loglevel=5"
	}
	if m.config.Boot != "" {
		boot += " " + m.config.Boot
	}
	smp := m.config.CPUs
	var clock []string
	if m.config.Instructions {
		// Strings are moved by single instructions, and the kernel is where it is each time.
		clock = []string{"-icount", "shift=0,sleep=off,align=off"}
		cpu += ",-erms"
		boot += " nokaslr"
		smp = 1
	}
	args := []string{
		"-no-user-config", "-nodefaults", "-display", "none", "-no-reboot",
		"-accel", accel, "-cpu", cpu, "-smp", strconv.Itoa(smp), "-m", strconv.Itoa(m.config.MemoryMB),
		"-kernel", m.kernel.image, "-initrd", "/dev/fd/6", "-append", boot,
	}
	for port := range 3 {
		args = append(args, "-chardev", fmt.Sprintf("file,id=port%d,path=/dev/fd/%d", port, 3+port))
		if device := m.kernel.machine.ports; port > 0 && device != "" {
			args = append(args, "-device", fmt.Sprintf("%s,chardev=port%d", device, port))
		} else {
			args = append(args, "-serial", fmt.Sprintf("chardev:port%d", port))
		}
	}
	return slices.Concat(args, m.share, m.kernel.machine.args, clock)
}

// run boots the machine and waits for its end.
func (m machine) run(ctx context.Context) (status int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	ports, err := newPorts()
	if err != nil {
		return 0, fmt.Errorf("making pipes for QEMU: %w", err)
	}
	defer ports.close()

	// The kernel kills QEMU when the thread that started it ends: keep it ours.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	complaints := &tail{limit: 4096}
	cmd := exec.CommandContext(ctx, m.qemu, m.args()...)
	cmd.Stderr = complaints
	cmd.ExtraFiles = append(ports.guestEnds[:], m.initramfs)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting QEMU: %w", err)
	}
	ports.closeGuestEnds()

	var guest control
	if m.kvm {
		trial := time.AfterFunc(kvmTrial, func() { cancel(errNotUp) })
		guest.onUp = func() { trial.Stop() }
		defer trial.Stop()
	}
	guest.onStatus = func() {
		time.AfterFunc(powerOffLimit, func() { cancel(errors.New("the guest did not power off")) })
	}
	console := &tail{limit: 8192}
	var readers sync.WaitGroup
	readers.Go(func() { copyPort(ports.console(), console, m.config.Console, cancel) })
	readers.Go(func() { copyPort(ports.output(), m.config.Stdout, nil, cancel) })
	readers.Go(func() { guest.read(ports.control()) })
	waitErr := cmd.Wait()
	readers.Wait()

	var refused *writeError
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &refused):
		return 0, cause
	case guest.ended:
		return guest.status, nil
	case guest.failure != "":
		err = errors.New(guest.failure)
	case m.kvm && !guest.up && (cause == nil || cause == errNotUp):
		err = errNotUp
	case cause != nil:
		err = cause
	case waitErr != nil:
		err = fmt.Errorf("QEMU ended with %w", waitErr)
	default:
		err = errors.New("the guest went down before the command ended")
	}
	return 0, fmt.Errorf("running %s: %w%s%s", m.kernel.release, err,
		section("QEMU", complaints), section("its console", console))
}

// section puts the end of an output under an error message.
func section(what string, t *tail) string {
	if text := t.text(); text != "" {
		return "\nThe last of " + what + ":\n" + text
	}
	return ""
}
