package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"opensnoop/internal/format"
	"opensnoop/internal/kernel"
	"opensnoop/internal/record"
	"opensnoop/internal/stream"
	"opensnoop/internal/summary"
	"opensnoop/internal/trace"
)

// newRecords returns what numbers the rows that are written to out.
func newRecords(out *stream.Stream) (*record.Stream, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("--stream names each run by the boot id: %w", err)
	}
	return record.New(out, fmt.Sprintf("%s-%d", strings.TrimSpace(string(boot)), sinceBoot())), nil
}

// sinceBoot is the time since the machine booted, in ns.
func sinceBoot() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic(err) // the clock always exists
	}
	return now.Nano()
}

// recordStart writes the stream's first line.
func (r *run) recordStart(session *trace.Session) error {
	if r.records == nil {
		return nil
	}
	release, err := kernel.CurrentRelease()
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	cwd, _ := os.Getwd() // none if it was deleted
	o := &r.flags.output
	start := record.Start{
		Version: r.version, Host: host, Kernel: release.Name, Probe: session.Probe(), BootTime: time.Now().Add(-time.Duration(sinceBoot())).Round(0),
		Command: r.argv, Cwd: cwd, User: caller(), Filters: given(r.flags.filters),
	}
	if !o.summary.set {
		for _, c := range o.shown(&r.flags.trace) {
			start.Columns = append(start.Columns, c.Name)
		}
	}
	return r.records.Start(start)
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

// flush writes what was gathered, and "alive" when it is due.
func (r *run) flush(rows format.Writer) error {
	if err := rows.Flush(); err != nil {
		return err
	}
	if r.records != nil && r.records.AliveDue() {
		return r.records.Alive()
	}
	return nil
}

// recordLost writes what was lost so far behind the rows made before. An error shows when the
// next row is written.
func (r *run) recordLost(rows format.Writer, lost trace.Losses) {
	if r.records != nil && rows.Flush() == nil {
		_ = r.records.Lost(lostSoFar(lost))
	}
}

func lostSoFar(lost trace.Losses) record.Lost {
	return record.Lost{Causes: lost.ByCause(), Doubtful: lost.Doubtful}
}

// reportLost has a summary say what was lost in its time.
func reportLost(rows format.Writer, lost trace.Losses) {
	switch w := rows.(type) {
	case *summary.Writer:
		w.Lost(lost.Total())
	case *summary.Live:
		w.Lost(lost.Total())
	}
}
