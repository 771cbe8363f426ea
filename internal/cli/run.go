package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
	"opensnoop/internal/format"
	"opensnoop/internal/trace"
)

// errEnough ends a run after the rows that -c asked for.
var errEnough = errors.New("enough rows")

// run traces until a signal, the end of -d or -c, or until the reader of stdout
// has left; none of these is an error.
func run(f flags, stdout *os.File, m *messages) error {
	missing, err := checkPIDs(f.trace.PIDs)
	if err != nil {
		return err
	}
	// A write to a pipe without a reader has to return its error.
	signal.Ignore(unix.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), endingSignals()...)
	defer stop()

	done := m.compiling()
	session, err := trace.Open(f.trace)
	done()
	if err != nil {
		return &startError{err}
	}
	defer session.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if f.duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(f.duration))
		defer cancel()
	}

	out, err := newOutput(ctx, stdout, cancel)
	if err != nil {
		return err
	}
	defer out.Close()
	table := format.NewTable(out)
	err = table.Header()
	if err == nil {
		tell(m, f, session, missing)
		err = hand(ctx, f, session, table, out, m)
	}
	if errors.Is(err, errReaderLeft) || errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// hand writes the session's events as rows until ctx ends.
func hand(ctx context.Context, f flags, session *trace.Session, table *format.Table, out *output, m *messages) error {
	rows := count(0)
	lost, err := session.Run(ctx, trace.Handler{
		Event: func(e *event.Event) error {
			if err := table.Event(e); err != nil {
				return err
			}
			if rows++; rows == f.count {
				return errors.Join(table.Flush(), errEnough)
			}
			return nil
		},
		Flush: table.Flush,
		Lost: func(total uint64) {
			m.printf("lost %d opens so far: the perf buffer was full; a larger one (-b) or a filter (-p) helps", total)
		},
	})
	if lost += out.dropped; lost > 0 {
		m.printf("lost %d opens in all", lost)
	}
	return err
}

// endingSignals are those that end the run. A SIGHUP that whoever started us had
// ignored, as nohup does, stays ignored.
func endingSignals() []os.Signal {
	signals := []os.Signal{unix.SIGINT, unix.SIGTERM}
	if !signal.Ignored(unix.SIGHUP) {
		signals = append(signals, unix.SIGHUP)
	}
	return signals
}

// tell says what is traced and how, as far as that is not what the user expects
// or was asked for by -v.
func tell(m *messages, f flags, session *trace.Session, missing []uint32) {
	for _, pid := range missing {
		m.printf("there is no process %d", pid)
	}
	passed := session.Passed()
	switch {
	case f.verbose:
		for _, why := range passed {
			m.printf("not used: %s", why)
		}
		m.printf("using the %s", session.Hook())
		for _, hook := range session.Also() {
			m.printf("also using the %s", hook)
		}
		for _, what := range session.Unseen() {
			m.printf("not shown: %s", what)
		}
		m.printf("using buffers of %d pages per CPU", session.BufferPages())
	case len(passed) > 0:
		m.printf("using the %s; not used: %s", session.Hook(), strings.Join(passed, "; "))
	}
}

// checkPIDs returns those of the processes that do not exist. It fails if none
// exists, or if one is a thread: nothing would ever be shown.
func checkPIDs(wanted []uint32) (missing []uint32, err error) {
	for _, pid := range wanted {
		tgid, err := threadGroup(pid)
		switch {
		case errors.Is(err, os.ErrNotExist):
			missing = append(missing, pid)
		case err != nil:
			return nil, fmt.Errorf("looking for the process %d: %w", pid, err)
		case tgid != pid:
			return nil, fmt.Errorf("%d is a thread of the process %d: use -p %d", pid, tgid, tgid)
		}
	}
	if len(missing) > 0 && len(missing) == len(wanted) {
		return nil, fmt.Errorf("there is no process %s", (*pids)(&missing))
	}
	return missing, nil
}

// threadGroup returns the process that a thread belongs to, by /proc.
func threadGroup(tid uint32) (uint32, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var tgid uint32
		if n, _ := fmt.Sscanf(line, "Tgid: %d", &tgid); n == 1 {
			return tgid, nil
		}
	}
	return 0, errors.New("its status names no thread group")
}
