// Package cli is opensnoop's command line: its flags, signals, messages and exit
// status.
package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/command"
	"opensnoop/internal/object"
	"opensnoop/internal/stream"
)

// Exit statuses.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a command line that does not say what to do.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// errTold is a failure that needs no message.
var errTold = errors.New("")

// invocation is what a command line is run with.
type invocation struct {
	version  string
	args     []string
	stdout   *os.File
	messages *messages

	dashes string // what a command comes after: -- or --exec

	ctx     context.Context // ends at the first signal, or when the run shall end
	tracing chan struct{}   // closed once a run looks after the end of ctx
	ending
	out      atomic.Pointer[stream.Stream] // nil without
	giveBack atomic.Pointer[func()]        // gives the terminal back that rows are drawn on; nil without
	status   int                           // of a run without an error

	// interrupted is the status of what a signal cuts short that does not look
	// after ctx.
	interrupted atomic.Int32

	reloads atomic.Bool // SIGHUP loads --config anew, and ends nothing
}

// Main runs the command line and returns the exit status. Rows go to stdout,
// everything else to stderr.
func Main(version string, args []string, stdout, stderr *os.File) int {
	if err := checkRights(); err != nil {
		(&messages{w: stderr}).errors(err)
		return exitFailure
	}
	// A write to a pipe without a reader, or beyond the limit of file sizes, has to return its
	// error. Ignored, the signals would be ignored by the command to trace too.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE, unix.SIGXFSZ)
	// For good: one that comes at the very end does not change the status.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endingSignals()...)
	ctx, end := context.WithCancel(context.Background())
	defer end()

	i := &invocation{
		version: version, stdout: stdout, messages: newMessages(stderr), ctx: ctx, tracing: make(chan struct{}),
	}
	i.args, i.dashes = execAsDashes(args)
	i.ending = ending{end, make(chan *command.Command), make(chan struct{}), make(chan struct{}), i.stuckFor, &i.reloads}
	defer i.messages.flush()
	if location, err := zone(); err != nil {
		i.messages.errors(err)
	} else if location != nil {
		time.Local = location
	}
	go i.handleSignals(signals)
	cmd, _ := newCommand(i)
	cmd.SetArgs(i.args)
	status := make(chan int, 1)
	go func() { status <- i.exit(cmd.Execute()) }()
	select {
	case s := <-status:
		return s
	case <-ctx.Done():
	}
	select {
	case <-i.tracing:
	default:
		return int(i.interrupted.Load()) // nothing is to be brought to an end
	}
	select {
	case s := <-status:
		return s
	case <-i.givenUp:
		if giveBack := i.giveBack.Load(); giveBack != nil {
			go (*giveBack)() // as far as the terminal takes anything
			time.Sleep(stuckTime)
		}
		i.messages.printf("ended without waiting: rows that were not written are neither shown nor counted")
		return int(i.interrupted.Load())
	}
}

// stuckFor is for how long a write of rows has not returned.
func (i *invocation) stuckFor() time.Duration {
	if out := i.out.Load(); out != nil {
		return out.Stuck()
	}
	return 0
}

// newStream returns a stream to file for rows that end as rowEnd says.
func (i *invocation) newStream(file *os.File, rowEnd func(rows []byte) int) (*stream.Stream, error) {
	out, err := stream.New(i.ctx, file, stream.Options{RowEnd: rowEnd, Left: i.end, Hurry: i.hurry})
	if err == nil {
		i.out.Store(out)
	}
	return out, err
}

// exit tells of an error and returns the exit status.
func (i *invocation) exit(err error) int {
	m := i.messages
	usage, failed, trouble := (*usageError)(nil), (*object.Error)(nil), (*troubleError)(nil)
	switch {
	case err == nil:
		return i.status
	case errors.As(err, &usage):
		m.printf("%v", err)
		return exitUsage
	case errors.As(err, &trouble):
		m.errors(trouble.error)
		return exitUsage
	case errors.Is(err, errTold):
		return exitFailure
	}
	m.errors(err)
	if errors.As(err, &failed) && failed.Messages != "" {
		m.printf("the messages of that:")
		m.lines(failed.Messages)
	}
	explain(m, err)
	return exitFailure
}

// execAsDashes replaces --exec, behind which all is the command, by --, and says which of them it was.
func execAsDashes(args []string) (replaced []string, was string) {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if arg == "--exec" {
			return slices.Concat(args[:i], []string{"--"}, args[i+1:]), arg
		}
	}
	return args, "--"
}
