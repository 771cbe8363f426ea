package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// plan is what is measured and how long.
type plan struct {
	tools    []tool
	rounds   int
	starts   int           // of each kind in a round
	load     time.Duration // of each load
	patience time.Duration // for the first row of a tool, its work after a load, and its end after Ctrl-C
	pause    time.Duration // between two opens that are to be that row; part of its time
	later    time.Duration // from a tool's start to the last look at its memory
}

// bench makes the measurements.
type bench struct {
	plan
	ctx      context.Context
	loadPath string // the built testdata/callers/load.c
	dir      string // for the tools' output
}

// crew are the loads of one tool: made before it, so that it can be told of them.
type crew struct {
	probe *load
	flood []*load
}

func (b *bench) newCrew(floods int) (*crew, error) {
	c := &crew{}
	for n := range 1 + floods {
		l, err := startLoad(b.ctx, b.loadPath)
		if err != nil {
			c.close()
			return nil, err
		}
		if n == 0 {
			c.probe = l
		} else {
			c.flood = append(c.flood, l)
		}
	}
	return c, nil
}

func (c *crew) close() {
	for _, l := range append(c.flood, c.probe) {
		if l != nil {
			l.close()
		}
	}
}

func (c *crew) pids() []int {
	pids := []int{c.probe.pid()}
	for _, l := range c.flood {
		pids = append(pids, l.pid())
	}
	return pids
}

// command returns the tool's command line for a crew.
func (c *crew) command(t *tool) []string {
	command := t.command[:len(t.command):len(t.command)]
	if t.joins != nil {
		command = append(command, t.joins(c.pids())...)
	}
	return command
}

// running is a tool at work, with rows in a file.
type running struct {
	process *process  // of a tool that is one
	hooks   io.Closer // of a tool that is none
	stdout  string    // path
	ready   time.Time // when a row was there
}

// startTime is how long it took from the start to a row, in ms.
func (r *running) startTime() float64 { return milliseconds(r.ready.Sub(r.process.started)) }

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

// start starts a tool and waits until it shows the opens of the crew's probe.
// Meanwhile it looks at the tool's children, if there is somewhere to note them.
func (b *bench) start(t *tool, command []string, c *crew, kids *children) (*running, error) {
	if t.attach != nil {
		hooks, err := t.attach()
		if err != nil {
			return nil, err
		}
		return &running{hooks: hooks}, nil
	}
	if !t.process() {
		return &running{}, nil
	}
	r := &running{stdout: filepath.Join(b.dir, "stdout")}
	stdout, err := os.Create(r.stdout)
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	r.process, err = b.startProcess(command, stdout)
	if err != nil {
		return nil, err
	}
	if kids != nil {
		kids.pid = r.process.cmd.Process.Pid
	}
	err = r.process.await(b.ctx, b.patience, b.pause, c.probe.once, func() bool {
		if kids != nil {
			kids.look()
		}
		rows, err := os.ReadFile(r.stdout)
		return err == nil && bytes.Contains(rows, []byte(probeName))
	})
	if err != nil {
		r.process.kill()
		said, _ := os.ReadFile(r.stdout)
		return nil, r.process.reason(err, said)
	}
	r.ready = time.Now()
	return r, nil
}

// stop ends the tool as its user would.
func (r *running) stop() error {
	switch {
	case r.process != nil:
		return r.process.stop()
	case r.hooks != nil:
		return r.hooks.Close()
	}
	return nil
}

// abandon ends the tool if it has not ended.
func (r *running) abandon() {
	if r.process != nil {
		r.process.kill()
	}
}

// whileRunning starts a tool with more arguments, with its rows in a file, lets
// something be done once there is a row, and ends the tool.
func (b *bench) whileRunning(t *tool, more []string, kids *children, do func(*running) error) error {
	c, err := b.newCrew(0)
	if err != nil {
		return err
	}
	defer c.close()
	r, err := b.start(t, append(c.command(t), more...), c, kids)
	if err != nil {
		return err
	}
	defer r.abandon()
	if err := do(r); err != nil {
		return err
	}
	return r.stop()
}

// onTerminal measures a tool, started with more arguments, up to its first row on a
// terminal, where no tool holds rows back to write many at once.
func (b *bench) onTerminal(t *tool, more []string) (values, error) {
	c, err := b.newCrew(0)
	if err != nil {
		return nil, err
	}
	defer c.close()
	ours, theirs, err := openTerminal()
	if err != nil {
		return nil, err
	}
	p, err := b.startProcess(append(c.command(t), more...), theirs)
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, err
	}
	screen := &screen{}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		io.Copy(screen, ours) // ends in an error once the tool has ended
	}()
	defer func() {
		p.kill()
		<-drained
		ours.Close()
	}()

	seen := func() bool { return screen.seen.Load() != nil }
	if err := p.await(b.ctx, b.patience, b.pause, c.probe.once, seen); err != nil {
		p.kill()
		<-drained
		return nil, p.reason(err, screen.text())
	}
	now, _, err := p.memory()
	if err != nil {
		return nil, err
	}
	if err := p.stop(); err != nil {
		return nil, err
	}
	return values{
		firstRow:    milliseconds(screen.seen.Load().Sub(p.started)),
		memoryFirst: now,
	}, nil
}

// screen takes what a terminal shows, until the first row of the probe.
type screen struct {
	mu    sync.Mutex
	shown []byte
	seen  atomic.Pointer[time.Time]
}

func (s *screen) Write(p []byte) (int, error) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen.Load() == nil {
		s.shown = append(s.shown, p...)
		if bytes.Contains(s.shown, []byte(probeName)) {
			s.seen.Store(&now)
		}
	}
	return len(p), nil
}

func (s *screen) text() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown
}
