package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"opensnoop/internal/trace"
)

const (
	// configMax is the most bytes of a file of flags.
	configMax = 1 << 20

	// handoverTime is how long calls that began before a change of filters may take to return
	// for their results to show.
	handoverTime = 30 * time.Millisecond
)

// notInConfig are flags that make no sense in a file.
var notInConfig = []string{"config", "help", "version", "exec", "ebpf"}

// fixed are flags of which what runs depends, beside its filters and columns.
var fixed = []string{"write", "rotate", "force", "output", "layout", "stream", "duration", "count", "follow", "no-follow", "wait-all", "as-root"}

// loadConfig sets the flags of a file, one a line, that the command line does not set.
func (f *flags) loadConfig(fs *pflag.FlagSet) error {
	if f.config == "" {
		return nil
	}
	text, err := readConfig(f.config)
	if err != nil {
		return err
	}
	var given []string
	fs.Visit(func(flag *pflag.Flag) { given = append(given, flag.Name) })
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := setLine(fs, line, given); err != nil {
			return fmt.Errorf("%s, line %d: %w", f.config, n, err)
		}
	}
	return nil
}

// setLine sets the flag of a line: its long name, and a value behind a blank, colon or =.
func setLine(fs *pflag.FlagSet, line string, given []string) error {
	name, value := strings.TrimLeft(line, "-"), ""
	if at := strings.IndexAny(name, " \t:="); at >= 0 {
		name, value = name[:at], strings.TrimLeft(name[at:], " \t:=")
	}
	flag := fs.Lookup(name)
	switch {
	case flag == nil || slices.Contains(notInConfig, name):
		return fmt.Errorf("unknown flag %q%s", name, didYouMean(fs, name))
	case slices.Contains(given, flag.Name):
		return nil
	case value == "" && flag.NoOptDefVal == "":
		return fmt.Errorf("%s needs a value", name)
	case value == "":
		value = flag.NoOptDefVal
	}
	if err := fs.Set(name, value); err != nil {
		return cmp.Or(valueError(err), err)
	}
	return nil
}

// readConfig reads a file that the caller may read: opensnoop may have more rights.
func readConfig(path string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if err := unix.Access(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), unix.R_OK); err != nil {
		return "", &os.PathError{Op: "open", Path: path, Err: err}
	}
	if st, err := file.Stat(); err != nil || !st.Mode().IsRegular() {
		return "", errors.Join(fmt.Errorf("%s is not a regular file: name a file of flags", path), err)
	}
	text, err := io.ReadAll(io.LimitReader(file, configMax+1))
	if len(text) > configMax {
		err = fmt.Errorf("%s has more than %d bytes: name a file of flags", path, configMax)
	}
	return string(text), err
}

// heir is the run that another one gives way to, with its session.
type heir struct {
	*run
	session *trace.Session
}

// listen has SIGHUP load the file of flags anew. A command gets the signal instead.
func (r *run) listen(command bool) {
	if r.flags.config == "" || command {
		return
	}
	r.reload = make(chan os.Signal, 1)
	r.reloads.Store(true)
	signal.Notify(r.reload, unix.SIGHUP)
}

// awaitHeir waits for SIGHUP, hands over to a session by the new flags, and calls end. What it
// returns gives the run that has taken over, or nil when ctx has ended before.
func (r *run) awaitHeir(ctx context.Context, session *trace.Session, end func()) <-chan *heir {
	heirs := make(chan *heir, 1)
	go func() {
		defer close(heirs)
		for {
			select {
			case <-ctx.Done():
				return
			case <-r.reload: // never, if it is nil
			}
			next, err := r.handOver(ctx, session)
			if err == nil {
				r.messages.printf("%s was loaded anew", r.flags.config)
				heirs <- next
				time.Sleep(handoverTime)
				end()
				return
			}
			if ctx.Err() == nil {
				r.messages.printf("going on as before, as %s cannot be loaded anew: %v", r.flags.config, err)
			}
		}
	}()
	return heirs
}

// handOver hands the calls that begin from now on over to a session by the new flags.
func (r *run) handOver(ctx context.Context, session *trace.Session) (*heir, error) {
	if !r.flags.trace.Gated {
		return nil, errors.New("processes that are followed cannot be handed over: restart opensnoop")
	}
	next, err := r.newHeir(ctx)
	if err != nil {
		return nil, err
	}
	// In this order no call is left out. One that begins in between is of both.
	if err = next.session.Gate(true); err == nil {
		err = session.Gate(false)
	}
	if err != nil {
		next.session.Close()
		return nil, err
	}
	return next, nil
}

// parse sets the flags of the main command's arguments.
func (f *flags) parse(args []string) (*pflag.FlagSet, error) {
	cmd := &cobra.Command{}
	f.add(cmd)
	return cmd.Flags(), cmd.ParseFlags(args)
}

// newHeir returns a run by the flags as they are now, whose session waits for its gate.
func (r *run) newHeir(ctx context.Context) (*heir, error) {
	f := &flags{}
	all, err := f.parse(r.args)
	if err != nil {
		return nil, err
	}
	if err := f.loadConfig(all); err != nil {
		return nil, err
	}
	for _, name := range fixed {
		if flag := all.Lookup(name); flag.Value.String() != r.flags.all.Lookup(name).Value.String() {
			return nil, fmt.Errorf("--%s cannot change while it runs: restart opensnoop", name)
		}
	}
	f.trace.Kernel, f.trace.Cache = r.flags.trace.Kernel, r.flags.trace.Cache
	if err := f.prepare(false); err != nil {
		return nil, err
	}
	f.complete()
	f.duration = 0 // it goes on
	next := &run{invocation: r.invocation, flags: f, reload: r.reload}
	if err := next.findProcesses(); err != nil {
		return nil, err
	}
	f.trace.Shut = true
	session, err := unlessEnded(ctx, func() (*trace.Session, error) { return trace.Open(ctx, f.trace) })
	if err != nil {
		return nil, err
	}
	next.keep(session)
	return &heir{next, session}, nil
}
