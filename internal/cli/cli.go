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
	stdout   *os.File
	messages *messages

	ctx     context.Context // ends at the first signal, or when the run shall end
	end     func()          // ends ctx
	tracing chan struct{}   // closed once a run looks after the end of ctx
	started chan *command.Command
	status  int // of a run without an error

	// interrupted is the status of what a signal cuts short that does not look
	// after ctx.
	interrupted atomic.Int32
}

// Main runs the command line and returns the exit status. Rows go to stdout,
// everything else to stderr.
func Main(version string, args []string, stdout, stderr *os.File) int {
	if err := checkRights(); err != nil {
		(&messages{stderr}).errors(err)
		return exitFailure
	}
	// A write to a pipe without a reader has to return its error. Ignored, the
	// signal would be ignored by the command to trace too.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endingSignals()...)
	defer signal.Stop(signals)
	ctx, end := context.WithCancel(context.Background())
	defer end()

	i := &invocation{
		version: version, stdout: stdout, messages: &messages{stderr},
		ctx: ctx, end: end, tracing: make(chan struct{}), started: make(chan *command.Command),
	}
	if location, err := zone(); err != nil {
		i.messages.errors(err)
	} else if location != nil {
		time.Local = location
	}
	go heed(signals, i.started, end)
	cmd, _ := newCommand(i)
	cmd.SetArgs(execAsDashes(args))
	executed := make(chan error, 1)
	go func() { executed <- cmd.Execute() }()
	select {
	case err := <-executed:
		return i.exit(err)
	case <-ctx.Done():
	}
	select {
	case <-i.tracing:
		return i.exit(<-executed)
	default:
		return int(i.interrupted.Load()) // nothing is to be brought to an end
	}
}

// exit tells of an error and returns the exit status.
func (i *invocation) exit(err error) int {
	m := i.messages
	usage, failed, trouble := (*usageError)(nil), (*object.Error)(nil), (*troubleError)(nil)
	switch {
	case err == nil:
		return i.status
	case errors.As(err, &usage):
		m.printf("%v (see opensnoop -h)", err)
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

// execAsDashes replaces --exec, behind which all is the command, by -- .
func execAsDashes(args []string) []string {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if arg == "--exec" {
			return slices.Concat(args[:i], []string{"--"}, args[i+1:])
		}
	}
	return args
}
