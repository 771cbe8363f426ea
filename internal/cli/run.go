package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/cache"
	"opensnoop/internal/command"
	"opensnoop/internal/event"
	"opensnoop/internal/format"
	"opensnoop/internal/kernel"
	"opensnoop/internal/plan"
	"opensnoop/internal/stream"
	"opensnoop/internal/trace"
)

// errCountReached ends a run after the rows that -c asked for.
var errCountReached = errors.New("enough rows")

// deferTime is how long work after the start, such as caching, is put off, so that it does not delay the
// first rows.
const deferTime = time.Second

// run is one run of the tracer.
type run struct {
	*invocation
	flags   *flags
	argv    []string         // the command to trace, with its arguments
	command *command.Command // nil is none
	over    atomic.Bool      // the time of -d is

	reload chan os.Signal // gets SIGHUP; nil if that does not load --config anew

	reported trace.Losses // what was lost when it was last said
}

// run traces until a signal, the end of -d or -c or of the command argv, or until
// the reader of stdout has left; none of these is an error. It returns the exit
// status: the command's, if there is one.
func (r *run) run(argv []string) (status int, err error) {
	if err := r.findProcesses(); err != nil {
		return exitFailure, err
	}
	r.listen(len(argv) > 0)
	if len(argv) > 0 {
		r.argv = argv
		err = r.start(argv)
	}
	if err == nil {
		err = r.leaveOutPipeline()
	}
	if err == nil {
		err = r.trace()
	}
	// It ends before it is on when a signal comes.
	enough := errors.Is(err, errCountReached) || r.over.Load()
	if errors.Is(err, stream.ErrReaderLeft) || errors.Is(err, errCountReached) || errors.Is(err, context.Canceled) {
		err = nil
	}
	if r.command != nil {
		if err != nil && r.command.Released() {
			// It may run for long yet.
			r.messages.errors(err)
			r.messages.printf("the command goes on, but what it opens is not shown any more")
			err = errTold
		}
		if enough && err == nil {
			r.endCommand()
		}
		// Also when the rows ended before it.
		status = r.commandStatus()
	}
	if err != nil {
		return exitFailure, err
	}
	return status, nil
}

// commandStatus is the exit status of the command, for whose end it waits.
func (r *run) commandStatus() int {
	select {
	case <-r.command.Done():
		return r.command.Wait()
	case <-r.hurry: // it was killed some time ago
		return 128 + int(unix.SIGKILL)
	}
}

// start starts the command, which is held until tracing is on.
func (r *run) start(argv []string) (err error) {
	o := command.Options{Args: argv, Stdout: os.Stderr, AsRoot: r.flags.asRoot}
	if r.flags.output.file != "" && !r.flags.commandToStderr {
		o.Stdout = r.stdout
	}
	r.command, err = unlessEnded(r.ctx, func() (*command.Command, error) { return command.Start(r.ctx, o) })
	if err != nil {
		return err
	}
	t, pid := &r.flags.trace.Filter, uint32(r.command.PID())
	if r.follows() {
		t.Roots = append(t.Roots, pid)
	} else {
		t.PIDs = append(t.PIDs, pid)
	}
	r.started <- r.command
	interrupted := &r.interrupted
	if r.flags.commandToStderr {
		interrupted = new(atomic.Int32) // what asks the recording has a status of its own
	}
	interrupted.Store(128 + int32(unix.SIGKILL))
	go func() {
		interrupted.Store(int32(r.command.Wait()))
		if !r.flags.waitAll {
			r.end()
		}
	}()
	return nil
}

// endCommandTime is how long a command may take to end once it was told to.
const endCommandTime = 5 * time.Second

// endCommand ends a command that goes on when -d or -c has ended the tracing: by SIGTERM, and if it
// does not handle that, as a second Ctrl-C does.
func (r *run) endCommand() {
	if ended(r.command) {
		return
	}
	r.messages.printf("tracing has ended as -d or -c says: ending the command (SIGTERM)")
	r.command.Signal(unix.SIGTERM)
	select {
	case <-r.command.Done():
	case <-time.After(endCommandTime):
		r.messages.printf("the command does not end: killing it")
		r.command.Kill()
	}
}

// follows reports whether what the command starts is to be traced too, and says so if it
// cannot be.
func (r *run) follows() bool {
	if r.flags.noFollow {
		return false
	}
	if err := plan.CanFollow(r.flags.trace.Kernel); err != nil {
		r.messages.printf("of the command alone: %v", err)
		return false
	}
	return true
}

// trace traces and writes rows. The command is killed if tracing never is on.
func (r *run) trace() (err error) {
	defer func() {
		if r.command != nil && !r.command.Released() {
			r.command.Kill()
		}
	}()
	done := r.messages.compiling()
	if !r.flags.noCache {
		r.flags.trace.Cache = cache.Default()
	}
	session, err := unlessEnded(r.ctx, func() (*trace.Session, error) { return trace.Open(r.ctx, r.flags.trace) })
	done()
	if err != nil && r.ctx.Err() != nil {
		return r.ctx.Err() // whatever could not be had by then
	}
	if err != nil {
		return &startError{err}
	}
	defer func() { session.Close() }()
	first := session
	keep := sync.OnceFunc(func() { r.keep(first) })
	defer keep()
	defer time.AfterFunc(deferTime, func() {
		keep()
		// The start's garbage is several times what tracing needs, which makes
		// next to none.
		debug.SetGCPercent(25)
		debug.FreeOSMemory()
	}).Stop()

	file, err := unlessEnded(r.ctx, func() (*os.File, error) { return r.flags.output.open(r.stdout) })
	if err != nil {
		return err
	}
	out, err := r.newStream(file, r.flags.output.rowEnd())
	if err != nil {
		return err
	}
	if file != r.stdout {
		defer func() {
			if closeErr := r.closeFile(out.File()); err == nil && closeErr != nil {
				err = fmt.Errorf("writing the file: %w", closeErr)
			}
		}()
	}
	defer out.Close()
	next, err := r.write(session, out, file)
	for err == nil && next != nil {
		session.Close()
		session = next.session
		next, err = next.write(session, out, file)
	}
	if next != nil {
		next.session.Close()
	}
	return err
}

// keep puts the compiled program into the cache.
func (r *run) keep(session *trace.Session) {
	err := session.Keep()
	if err != nil && r.flags.verbose > 0 && err.Error() != session.Compiled().Why {
		r.messages.printf("the compiled program is not kept: %v", err)
	}
}

// write writes what the session hands out, to file by out, and lets the command go before. It
// returns the run that goes on from this one, if there is one.
func (r *run) write(session *trace.Session, out *stream.Stream, file *os.File) (next *heir, err error) {
	sink, done, err := r.newSink(session, out, file)
	if err != nil {
		return nil, err
	}
	defer done()
	r.hint(session, file)
	if err := sink.begin(); err != nil {
		return nil, err
	}
	r.printStatus(session)
	if r.command != nil {
		if _, err := unlessEnded(r.ctx, func() (any, error) { return nil, r.command.Release() }); err != nil {
			return nil, err
		}
	}
	if r.flags.duration > 0 {
		time.AfterFunc(time.Duration(r.flags.duration), func() { r.over.Store(true); r.end() })
	}
	if r.command != nil && r.flags.waitAll {
		go r.endWithLast(session)
	}
	ctx, end := context.WithCancel(r.ctx)
	defer end()
	heirs := r.awaitHeir(ctx, session, end)
	written, lost, err := r.writeEvents(ctx, session, sink)
	end()
	next = <-heirs
	r.reportCauses(lost)
	r.printUnfollowed(session)
	r.messages.uncompared(session.Uncompared())
	if n := lost.Unfinished + lost.UnfinishedName + lost.UnfinishedForked; n > 0 {
		r.messages.printf("%d opens in all show without their name or result", n)
	}
	total := lost.Total()
	if n := out.Dropped(); n > 0 && !sink.counts() {
		why := "at the end, whoever reads the rows did not take them in time"
		if err != nil {
			why = "their rows could not be written"
		}
		r.messages.printf("lost %d opens: %s", n, why)
		total += n
	}
	if err == nil || errors.Is(err, errCountReached) {
		err = errors.Join(err, sink.end(lost))
	}
	switch {
	case lost.Doubtful > 0:
		r.messages.printf("lost %d opens in all, and up to %d more", total, lost.Doubtful)
	case total > 0:
		r.messages.printf("lost %d opens in all", total)
	case written == 0 && err == nil && next == nil && r.flags.filtered():
		r.messages.printf("no open matched%s", r.flags.unseen())
	}
	return next, err
}

// reportCauses says why opens were lost, if more were since it said so.
func (r *run) reportCauses(lost trace.Losses) {
	if lost.Total()+lost.Doubtful == r.reported.Total()+r.reported.Doubtful {
		return
	}
	r.reported = lost
	for _, cause := range lost.Causes() {
		r.messages.printf("%v", cause)
	}
}

// writeEvents writes the session's events as rows until ctx ends, and returns how many, and how
// many the session lost.
func (r *run) writeEvents(ctx context.Context, session *trace.Session, sink *sink) (written count, lost trace.Losses, err error) {
	feedback := r.watchFeedback()
	defer func() { sink.once.report(r.messages) }()
	lost, err = session.Run(ctx, trace.Handler{
		Event: func(e *event.Event) error {
			if sink.once != nil && !sink.once.first(e) {
				return nil
			}
			if err := sink.Event(e); err != nil {
				return err
			}
			if feedback != nil {
				feedback.see(e)
			}
			if written++; written == r.flags.count {
				return errors.Join(sink.Writer.Flush(), errCountReached)
			}
			return nil
		},
		Flush: sink.Flush,
		Lost: func(lost trace.Losses) {
			sink.lostSoFar(lost)
			r.reportCauses(lost)
		},
		Ended: func(pid uint32) {
			if r.command == nil || pid != uint32(r.command.PID()) {
				r.messages.printf("process %d has ended", pid)
			}
		},
		NoneLeft: func() {
			if r.command == nil {
				r.end()
			}
		},
		Silent: func(why error) {
			if why == nil {
				r.messages.printf("opens show again; those since the message before this are neither shown nor counted")
			} else {
				r.messages.printf("no open shows: %v", why)
			}
		},
	})
	return written, lost, err
}

// printStatus says what is traced and how, as far as that is not what the user expects
// or was asked for by -v.
func (r *run) printStatus(session *trace.Session) {
	m := r.messages
	if n := session.Orphans(); n > 0 {
		m.printf("%s not followed: of their session or group, but the parents had ended before", countProcesses(n, "is", "are"))
	}
	if blind := session.Blind(); blind != "" {
		m.printf("%s", blind)
	}
	if o := &r.flags.output; o.format != formatTable && len(o.columns) == 0 && !o.summary.set && !o.canTell(event.PPID, &r.flags.trace) {
		m.printf("ppid is left out: the parent's process id cannot be told in a pid namespace")
	}
	if r.flags.namesUsers() && format.ForeignUsers(r.flags.trace.Kernel.Namespace != kernel.PIDNamespace{}) {
		m.printf("users' names are those of this container: add -v /etc/passwd:/etc/passwd:ro for the host's")
	}
	if r.flags.verbose > 0 {
		if r.flags.verbose > 1 {
			m.lines(session.Plan().String())
		}
		for _, why := range session.Rejected() {
			m.printf("not used: %s", why)
		}
		compiled := session.Compiled()
		m.printf("the BPF program was %v", compiled)
		if compiled.Why != "" && !compiled.Stale {
			m.printf("the cache: %s", compiled.Why)
		}
		m.printf("using the %s", session.Hook())
		for _, hook := range session.ExtraHooks() {
			m.printf("also using the %s", hook)
		}
		for _, what := range session.NotShown() {
			m.printf("not shown: %s", what)
		}
		pages, bytes := session.Buffers()
		m.printf("using buffers of %d pages per CPU, of %.3g MB in all", pages, float64(bytes)/(1<<20))
	}
}
