package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/command"
)

// What is waited for after the signal that ends a run.
const (
	// hurryTime is how long a reader is waited for who does not take all at once.
	hurryTime = 500 * time.Millisecond

	// After giveUpTime, a write that has not returned for as long is not waited for: on a busy machine
	// its reader may get no CPU for a part of that. stuckTime is for what waits for no reader.
	giveUpTime = time.Second
	stuckTime  = 250 * time.Millisecond

	// againTime is how long anything is waited for after a second signal, and lastTime
	// without one. It leaves a stream the time that a reader has in a hurry.
	againTime = 400 * time.Millisecond
	lastTime  = 10 * time.Second
)

// ending ends a run when it is told to, whatever that waits for.
type ending struct {
	end     func()                // begins the end of the run
	started chan *command.Command // the command of the run, if there is one
	hurry   chan struct{}         // closed when the run shall wait for nothing any more
	givenUp chan struct{}         // closed when the run is not waited for any more
	stuck   func() time.Duration  // for how long a write of the run has not returned
	reloads *atomic.Bool          // SIGHUP ends nothing
}

// endingSignals are those that end the run. A SIGHUP that whoever started us had
// ignored, as nohup does, stays ignored.
func endingSignals() []os.Signal {
	signals := []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGQUIT}
	if !signal.Ignored(unix.SIGHUP) {
		signals = append(signals, unix.SIGHUP)
	}
	return signals
}

// handleSignals ends the tracing at the first signal. A command that was started gets that
// signal, and the tracing goes on until its end; at a second one it is killed.
func (e *ending) handleSignals(signals <-chan os.Signal) {
	var c *command.Command
	for passed := false; ; {
		select {
		case c = <-e.started:
		case sig := <-signals:
			if sig == unix.SIGHUP && e.reloads.Load() {
				continue
			}
			if c != nil && !ended(c) && !passed {
				c.Signal(sig)
				passed = true
				continue
			}
			e.end()
			if c != nil {
				go c.Kill()
			}
			e.finish(signals)
			return
		}
	}
}

// finish sees to it that a run ends that was told to.
func (e *ending) finish(signals <-chan os.Signal) {
	began := time.Now()
	hurry := sync.OnceFunc(func() { close(e.hurry) })
	defer close(e.givenUp)
	defer hurry()
	soon, last := time.After(hurryTime), time.After(lastTime)
	for look := time.Tick(giveUpTime / 20); ; {
		select {
		case c := <-e.started:
			go c.Kill()
		case <-signals:
			hurry()
			last = time.After(againTime)
			signals = nil
		case <-soon:
			hurry()
		case <-look:
			if time.Since(began) >= giveUpTime && e.stuck() >= giveUpTime {
				return
			}
		case <-last:
			return
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
	case <-time.After(hurryTime):
		var none T
		return none, ctx.Err()
	}
}
