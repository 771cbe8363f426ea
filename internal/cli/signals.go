package cli

import (
	"context"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/command"
)

// endingSignals are those that end the run. A SIGHUP that whoever started us had
// ignored, as nohup does, stays ignored.
func endingSignals() []os.Signal {
	signals := []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGQUIT}
	if !signal.Ignored(unix.SIGHUP) {
		signals = append(signals, unix.SIGHUP)
	}
	return signals
}

// heed ends the tracing at the first signal. A command that was started gets that
// signal, and the tracing goes on until its end; at a second one it is killed.
func heed(signals <-chan os.Signal, started <-chan *command.Command, end func()) {
	var c *command.Command
	for passed := false; ; {
		select {
		case c = <-started:
		case sig := <-signals:
			switch {
			case c == nil || ended(c):
				end()
			case !passed:
				c.Signal(sig)
				passed = true
			default:
				end()
				c.Kill()
			}
		}
	}
}

func ended(c *command.Command) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// graceTime is how long what heeds the end of its context is waited for.
const graceTime = 500 * time.Millisecond

// unlessEnded returns what do returns, or ctx's error if that ends before: soon after,
// do is left to itself.
func unlessEnded[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-time.After(graceTime):
		var none T
		return none, ctx.Err()
	}
}
