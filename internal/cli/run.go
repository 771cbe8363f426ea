package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/cache"
	"opensnoop/internal/event"
	"opensnoop/internal/format"
	"opensnoop/internal/trace"
)

// keepTime is how long the compiled program waits for being put into the cache, so that
// this does not hold up the first rows.
const keepTime = time.Second

// errEnough ends a run after the rows that -c asked for.
var errEnough = errors.New("enough rows")

// run traces until a signal, the end of -d or -c or of the command argv, or until
// the reader of stdout has left; none of these is an error. It returns the exit
// status: the command's, if there is one.
func run(f flags, argv []string, stdout *os.File, m *messages) (status int, err error) {
	missing, err := checkProcesses(f.trace.Filter.PIDs, f.trace.Filter.TIDs)
	if err != nil {
		return exitFailure, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, endingSignals()...)

	var command *child
	if len(argv) > 0 {
		to := os.Stderr
		if f.shape.file != "" {
			to = stdout
		}
		if command, err = startChild(argv, to, f.asRoot); err != nil {
			return exitFailure, err
		}
		f.trace.Filter.PIDs = append(f.trace.Filter.PIDs, uint32(command.pid()))
	}
	go heed(signals, command, cancel)

	err = traceRows(ctx, cancel, f, command, missing, stdout, m)
	if errors.Is(err, errReaderLeft) || errors.Is(err, errEnough) {
		err = nil
	}
	if command != nil {
		// Also when the rows ended before it.
		status = command.wait()
	}
	if err != nil {
		return exitFailure, err
	}
	return status, nil
}

// heed ends the tracing at the first signal. A command gets that signal, and the
// tracing goes on until its end; at a second one it is killed.
func heed(signals <-chan os.Signal, command *child, cancel func()) {
	for passed := false; ; passed = true {
		sig := <-signals
		switch {
		case command == nil:
			cancel()
		case !passed:
			command.signal(sig)
		default:
			cancel()
			command.kill()
		}
	}
}

// traceRows traces and writes rows until ctx ends. Cancel ends ctx. The command,
// if there is one, is let go once tracing is on, and killed if it never is.
func traceRows(ctx context.Context, cancel func(), f flags, command *child, missing []uint32, stdout *os.File, m *messages) (err error) {
	released := false
	defer func() {
		if command != nil && !released {
			command.kill()
		}
	}()
	done := m.compiling()
	if !f.noCache {
		f.trace.Cache = cache.Default()
	}
	session, err := trace.Open(ctx, f.trace)
	done()
	if err != nil {
		return &startError{err}
	}
	defer session.Close()
	keep := sync.OnceFunc(func() {
		if err := session.Keep(); err != nil && f.verbose {
			m.printf("the compiled program is not kept: %v", err)
		}
	})
	defer time.AfterFunc(keepTime, keep).Stop()
	defer keep()

	file, err := f.shape.open(stdout)
	if err != nil {
		return err
	}
	if file != stdout {
		defer func() {
			if closeErr := file.Close(); err == nil && closeErr != nil {
				err = fmt.Errorf("writing the file: %w", closeErr)
			}
		}()
	}
	out, err := newOutput(ctx, file, cancel)
	if err != nil {
		return err
	}
	defer out.Close()
	if f.shape.format == formatCSV {
		out.rowEnd = format.SplitCSV
	}
	color := f.shape.colored(file)
	var rows format.Writer
	var sum *totals
	if f.shape.summary.set {
		sum = newTotals(out, &f.shape, color)
		rows = sum
	} else {
		rows = f.shape.rows(out, &f.trace, color)
	}
	if err := rows.Header(); err != nil {
		return err
	}
	tell(m, f, session, missing)
	if command != nil {
		released = true
		if err := command.release(cancel); err != nil {
			return err
		}
	}
	if f.duration > 0 {
		time.AfterFunc(time.Duration(f.duration), cancel)
	}
	lost, err := hand(ctx, f, session, rows, m)
	switch {
	case sum == nil:
		lost += out.dropped
	case err == nil || errors.Is(err, errEnough):
		err = errors.Join(err, sum.write())
	}
	if lost > 0 {
		m.printf("lost %d opens in all", lost)
	}
	return err
}

// hand writes the session's events as rows until ctx ends, and returns how many
// the session lost.
func hand(ctx context.Context, f flags, session *trace.Session, rows format.Writer, m *messages) (lost uint64, err error) {
	written := count(0)
	return session.Run(ctx, trace.Handler{
		Event: func(e *event.Event) error {
			if err := rows.Event(e); err != nil {
				return err
			}
			if written++; written == f.count {
				return errors.Join(rows.Flush(), errEnough)
			}
			return nil
		},
		Flush: rows.Flush,
		Lost: func(total uint64) {
			m.printf("lost %d opens so far: the perf buffer was full; a larger one (-b) or a filter (-p) helps", total)
		},
	})
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
		m.printf("there is no process or thread %d", pid)
	}
	passed := session.Passed()
	switch {
	case f.verbose:
		for _, why := range passed {
			m.printf("not used: %s", why)
		}
		compiled := session.Compiled()
		m.printf("the BPF program was %v", compiled)
		if compiled.Why != "" {
			m.printf("the cache: %s", compiled.Why)
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

// checkProcesses returns those of the processes and threads that do not exist. It
// fails if none of either exists, or if a process is a thread: nothing would ever
// be shown.
func checkProcesses(wanted, threads []uint32) (missing []uint32, err error) {
	for _, pid := range wanted {
		tgid, err := threadGroup(pid)
		switch {
		case errors.Is(err, os.ErrNotExist):
			missing = append(missing, pid)
		case err != nil:
			return nil, fmt.Errorf("looking for the process %d: %w", pid, err)
		case tgid != pid:
			return nil, fmt.Errorf("%d is a thread of the process %d: use -p %d, or -t %d", pid, tgid, tgid, pid)
		}
	}
	if len(missing) > 0 && len(missing) == len(wanted) {
		return nil, fmt.Errorf("there is no process %s", (*pids)(&missing))
	}
	var gone []uint32
	for _, tid := range threads {
		if _, err := threadGroup(tid); errors.Is(err, os.ErrNotExist) {
			gone = append(gone, tid)
		} else if err != nil {
			return nil, fmt.Errorf("looking for the thread %d: %w", tid, err)
		}
	}
	if len(gone) > 0 && len(gone) == len(threads) {
		return nil, fmt.Errorf("there is no thread %s", (*pids)(&gone))
	}
	return append(missing, gone...), nil
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
