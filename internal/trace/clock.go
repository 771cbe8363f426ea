package trace

import (
	"time"

	"golang.org/x/sys/unix"
)

// clock is the clock of the BPF program's times, CLOCK_MONOTONIC in ns. In a time namespace
// (time_namespaces(7)) ours of that name is another one.
type clock struct {
	ahead int64     // of ours, in ns
	boot  time.Time // when it was 0, by the clock that tells the time of day
}

// stepTime is how far the clock that tells the time of day may get from where it was, as by
// being set, before that is followed. It is slewed all the time, but rows shall not go back
// for that.
const stepTime = 10 * time.Millisecond

// steadyTime is how long reading two clocks may take for them to be compared.
const steadyTime = time.Millisecond

// monotonic is our clock of that name, in ns.
func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // the clock always exists
	}
	return t.Nano()
}

// now is what the clock shows.
func (c *clock) now() uint64 { return uint64(monotonic() + c.ahead) }

// learn sets the clock by a time of the BPF program's, which was between two of ours if the
// clocks are the same.
func (c *clock) learn(at, before, after int64) {
	if step := int64(stepTime); at < before-step || at > after+step {
		c.ahead = at - after
	}
}

// update sets the time of day by which the clock was 0, if that has changed.
func (c *clock) update() {
	before := c.now()
	wall := time.Now().Round(0)
	if after := c.now(); after-before > uint64(steadyTime) {
		return // we were interrupted: next time
	}
	c.set(wall.Add(-time.Duration(before)))
}

func (c *clock) set(boot time.Time) {
	if step := boot.Sub(c.boot); step > stepTime || step < -stepTime {
		c.boot = boot
	}
}
