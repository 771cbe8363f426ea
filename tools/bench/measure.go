package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// part is one of the measurements that a tool takes part in. One that fails leaves
// the others as they are.
type part struct {
	name    string // as in "not measured: NAME"
	measure func(*bench, *tool) (values, error)
}

// parts returns those of a tool.
func (t *tool) parts() []part {
	filtered := part{"an open that a filter drops", (*bench).filtered}
	if t.onlyFilter {
		return []part{filtered}
	}
	parts := []part{{"the loads", (*bench).loads}}
	if t.process() {
		parts = append(parts, part{"the start on a terminal", (*bench).warmStart})
	}
	if t.cold != nil {
		parts = append(parts,
			part{"the cold start on a terminal", (*bench).coldStart},
			part{"the cold start in a file", (*bench).coldStartInFile},
			part{"the memory of a cold start", (*bench).coldMemory})
	}
	if t.cold != nil {
		parts = append(parts, part{"an open by a relative name", (*bench).deep})
	}
	if t.filter != nil || t.attach != nil {
		parts = append(parts, filtered)
	}
	return parts
}

// retries is how often a part of a tool may fail before it is not tried again.
const retries = 2

// run makes all rounds and adds their values to the results, one for each tool. The
// tools take turns, so that all see the same moods of the machine, and each round
// begins with another. It ends early when the context does.
func (b *bench) run(results []*result, progress func(string)) {
	for i := range b.tools {
		progress("trying " + b.tools[i].name)
		if err := b.try(&b.tools[i], results[i]); err != nil && b.ctx.Err() == nil {
			results[i].Reason = err.Error()
			progress(fmt.Sprintf("%s cannot run: %v", b.tools[i].name, err))
		}
	}
	for round := range b.rounds {
		for turn := range b.tools {
			i := (turn + round) % len(b.tools)
			if results[i].Reason != "" {
				continue
			}
			b.measure(&b.tools[i], results[i], func(what string) {
				progress(fmt.Sprintf("round %d of %d, %s: %s", round+1, b.rounds, b.tools[i].name, what))
			})
			summarize(results)
		}
	}
}

// try starts a tool once without measuring it, which brings its files into memory
// and fills its cache, and notes its version.
func (b *bench) try(t *tool, r *result) error {
	if !t.process() {
		return nil
	}
	if _, err := os.Stat(t.command[0]); err != nil {
		if t.pack == "" {
			return err
		}
		return fmt.Errorf("%s is not there (Debian's package %s)", t.command[0], t.pack)
	}
	r.Version = version(t)
	_, err := b.onTerminal(t, nil)
	return err
}

// measure adds the values of a tool in one round.
func (b *bench) measure(t *tool, r *result, progress func(string)) {
	for _, p := range t.parts() {
		if b.ctx.Err() != nil {
			return
		}
		if r.failures(p.name) == retries {
			continue
		}
		progress(p.name)
		v, err := p.measure(b, t)
		switch {
		case b.ctx.Err() != nil: // what is cut short says nothing
			return
		case err != nil:
			r.miss(p.name, err)
			progress(fmt.Sprintf("%s: not measured: %v", p.name, err))
		default:
			r.add(v)
		}
	}
}

// warmStart measures a tool from its start to its first row on a terminal. Of one
// without a cache a cold start is the same.
func (b *bench) warmStart(t *tool) (values, error) {
	v, err := b.median(func() (values, error) { return b.onTerminal(t, nil) })
	if err == nil && t.cold == nil {
		v[firstRowCold] = v[firstRow]
	}
	return v, err
}

// coldStart is the same of a tool that may not use its cache.
func (b *bench) coldStart(t *tool) (values, error) {
	v, err := b.median(func() (values, error) { return b.onTerminal(t, t.cold) })
	if err != nil {
		return nil, err
	}
	return values{firstRowCold: v[firstRow]}, nil
}

// coldStartInFile is the same with the rows in a file.
func (b *bench) coldStartInFile(t *tool) (values, error) {
	return b.median(func() (values, error) {
		var v values
		err := b.whileRunning(t, t.cold, nil, func(r *running) error {
			v = values{firstInFileCold: r.startTime()}
			return nil
		})
		return v, err
	})
}

// coldMemory measures what a cold start takes, of the tool and of the processes that
// it starts. Looking at them takes time: the start's own is not measured here.
func (b *bench) coldMemory(t *tool) (values, error) {
	var kids children
	var v values
	err := b.whileRunning(t, t.cold, &kids, func(r *running) error {
		_, peak, err := r.process.memory()
		v = values{memoryPeakCold: peak}
		return err
	})
	if err == nil && kids.peak > 0 {
		v[memoryChild] = kids.peak
	}
	return v, err
}

// rest lets what the tool before has left behind go. The kernel attaches to a tracepoint from which
// the last program has just gone only after a grace period, of some 30 ms (tp_rcu_cond_sync in
// kernel/tracepoint.c), and where nothing else is done, none begins: a barrier waits for one.
func rest() {
	const global = 1 // MEMBARRIER_CMD_GLOBAL
	time.Sleep(200 * time.Millisecond)
	_, _, _ = unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0) // without one, starts vary more
}

// median makes so many starts as are planned, and returns the median of each value.
func (b *bench) median(start func() (values, error)) (values, error) {
	var all result
	for range b.starts {
		rest()
		v, err := start()
		if err != nil {
			return nil, err
		}
		all.add(v)
	}
	return all.medians(), nil
}

// loads measures a tool under all loads. Each load runs before the tool is there
// too, by the same processes, and what it takes longer with the tool counts.
func (b *bench) loads(t *tool) (values, error) {
	c, err := b.newCrew(2)
	if err != nil {
		return nil, err
	}
	defer c.close()
	nothing := func() error { return nil }
	bare, err := b.loadsOnce(c, nothing)
	if err != nil {
		return nil, err
	}
	r, err := b.start(t, c.command(t), c, nil)
	if err != nil {
		return nil, err
	}
	defer r.abandon()
	if r.process != nil {
		return b.loadsOf(t, r, c, bare)
	}
	traced, err := b.loadsOnce(c, nothing)
	if err != nil {
		return nil, err
	}
	return slowing(bare, traced), r.stop()
}

// loadsOf is the part of loads with a tool that is a process.
func (b *bench) loadsOf(t *tool, r *running, c *crew, bare timing) (values, error) {
	before, err := r.process.cpu()
	if err != nil {
		return nil, err
	}
	var after time.Duration
	traced, err := b.loadsOnce(c, func() (err error) {
		if err = r.process.rest(b.ctx, b.patience); err == nil {
			after, err = r.process.cpu()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	time.Sleep(time.Until(r.process.started.Add(b.later)))
	now, peak, err := r.process.memory()
	if err == nil {
		err = r.stop()
	}
	if err != nil {
		return nil, err
	}
	told, err := tallyFiles(t.lost, r.stdout, r.process.stderr)
	if err != nil {
		return nil, err
	}
	v := slowing(bare, traced)
	v.addTally(told, traced.opens, after-before)
	v[firstInFile] = r.startTime()
	v[memoryPeak], v[memorySteady] = peak, now
	if t.cold == nil {
		v[firstInFileCold], v[memoryPeakCold] = v[firstInFile], peak
	}
	return v, nil
}

// addTally adds what became of the opens of a load, and the CPU time that the tool
// took for each row.
func (v values) addTally(told tally, opens uint64, cpu time.Duration) {
	v[rowsShare] = 100 * float64(told.rows) / float64(opens)
	v[lostShare] = 100 * float64(told.lost) / float64(opens)
	v[untoldShare] = 100 - v[rowsShare] - v[lostShare]
	if told.rows > 0 {
		v[cpuPerRow] = float64(cpu) / 1e3 / float64(told.rows)
	}
}

// timing is what the loads took: ns for each call, a mean of the processes'.
type timing struct {
	one, two, call float64
	reached        float64 // opens per second, of two processes together
	opens          uint64  // of all
}

// loadsOnce runs all loads, and after floods waits until the tool has worked off
// their rows.
func (b *bench) loadsOnce(c *crew, rest func() error) (timing, error) {
	one, err := flood(b.load, c.flood[0])
	if err == nil {
		err = rest()
	}
	if err != nil {
		return timing{}, err
	}
	two, err := flood(b.load, c.flood...)
	if err == nil {
		err = rest()
	}
	if err != nil {
		return timing{}, err
	}
	calls, err := call(b.load/2, c.flood[0])
	if err != nil {
		return timing{}, err
	}
	return timing{
		one:     one[0].each(),
		two:     (two[0].each() + two[1].each()) / 2,
		call:    calls[0].each(),
		reached: two[0].perSecond() + two[1].perSecond(),
		opens:   one[0].count + two[0].count + two[1].count,
	}, nil
}

func slowing(bare, traced timing) values {
	return values{
		openOne:   (traced.one - bare.one) / 1e3,
		openTwo:   (traced.two - bare.two) / 1e3,
		otherCall: (traced.call - bare.call) / 1e3,
		reached:   traced.reached,
	}
}

// filtered measures what an open costs that the tool is told not to show.
func (b *bench) filtered(t *tool) (values, error) {
	c, err := b.newCrew(1)
	if err != nil {
		return nil, err
	}
	defer c.close()
	command := c.command(t)
	if t.filter != nil {
		command = append(command, t.filter(c.probe.pid())...)
	}
	return b.slowed(t, c, command, openFiltered, floodName)
}

// deep measures what an open costs by a name relative to a folder that is seven folders below
// the root.
func (b *bench) deep(t *tool) (values, error) {
	folder, err := b.deepFolder()
	if err != nil {
		return nil, err
	}
	c, err := b.newCrew(1)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.flood[0].chdir(folder); err != nil {
		return nil, err
	}
	return b.slowed(t, c, c.command(t), openDeep, deepName)
}

// slowed measures how much a tool slows the opens of a name by the flood of a crew.
func (b *bench) slowed(t *tool, c *crew, command []string, key, name string) (values, error) {
	bare, err := floodOf(b.load, name, c.flood...)
	if err != nil {
		return nil, err
	}
	r, err := b.start(t, command, c, nil)
	if err != nil {
		return nil, err
	}
	defer r.abandon()
	traced, err := floodOf(b.load, name, c.flood...)
	if err != nil {
		return nil, err
	}
	return values{key: (traced[0].each() - bare[0].each()) / 1e3}, r.stop()
}

// deepFolder makes that folder with the file in it.
func (b *bench) deepFolder() (string, error) {
	folder, err := filepath.EvalSymlinks(b.dir)
	if err != nil {
		return "", err
	}
	for strings.Count(folder, "/") < 7 {
		folder = filepath.Join(folder, "d")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	return folder, os.WriteFile(filepath.Join(folder, deepName), nil, 0o644)
}
