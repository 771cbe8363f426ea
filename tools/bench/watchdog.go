package main

import (
	"context"
	"fmt"
	"time"
)

// silence is after how long without any sign of life a run is given up. No single
// measurement takes that long, also on a busy machine: it gives up before.
const silence = 20 * time.Minute

// watchdog ends a context when it has not been told for a time that things move.
// However long a run takes, it goes on as long as it moves.
type watchdog struct {
	timer *time.Timer
	limit time.Duration
}

// withWatchdog returns a context that ends with its parent, or by the watchdog.
func withWatchdog(parent context.Context, limit time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(parent)
	bite := func() { cancel(fmt.Errorf("nothing had moved for %v", limit)) }
	return ctx, &watchdog{time.AfterFunc(limit, bite), limit}
}

// alive tells it that things move.
func (w *watchdog) alive() { w.timer.Reset(w.limit) }

// stop sends it away.
func (w *watchdog) stop() { w.timer.Stop() }
