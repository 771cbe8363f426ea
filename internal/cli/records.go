package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"opensnoop/internal/kernel"
	"opensnoop/internal/record"
	"opensnoop/internal/trace"
)

// runID names a run: no other has the same, on any machine.
func runID() (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("reading the boot id, which names this run: %w", err)
	}
	return fmt.Sprintf("%s-%d", strings.TrimSpace(string(boot)), sinceBoot()), nil
}

// sinceBoot is the time since the machine booted, in ns.
func sinceBoot() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic(err) // the clock always exists
	}
	return now.Nano()
}

// streamStart is what a stream's first line says.
func (r *run) streamStart(session *trace.Session) (record.Start, error) {
	release, err := kernel.CurrentRelease()
	if err != nil {
		return record.Start{}, err
	}
	host, _ := os.Hostname()
	cwd, _ := os.Getwd() // none if it was deleted
	start := record.Start{
		Version: r.version, Host: host, Kernel: release.Name, Probe: session.Probe(),
		BootTime: time.Now().Add(-time.Duration(sinceBoot())).Round(0),
		Command:  r.argv, Cwd: cwd, User: caller(), Filters: given(r.flags.filters),
	}
	if o := &r.flags.output; !o.summary.set {
		for _, c := range o.shown(&r.flags.trace) {
			start.Columns = append(start.Columns, c.Name)
		}
	}
	return start, nil
}

// caller is who ran opensnoop, as the environment has it.
func caller() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	return os.Getenv("USER")
}

// given lists the flags of fs that were given, each with its value.
func given(fs *pflag.FlagSet) (flags []string) {
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			flags = append(flags, "--"+f.Name+"="+f.Value.String())
		}
	})
	return flags
}
