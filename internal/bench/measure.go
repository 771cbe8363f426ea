package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// run makes all rounds. The tools take turns, so that all see the same moods of
// the machine, and each round begins with another. It returns an error only for
// what is not one tool's own fault.
func (b *bench) run(progress func(string)) ([]*result, error) {
	results := make([]*result, len(b.tools))
	fail := func(i int, err error) error {
		if why := (*cannotRun)(nil); errors.As(err, &why) && b.ctx.Err() == nil {
			results[i].Reason = why.Error()
			progress(fmt.Sprintf("%s cannot run: %v", b.tools[i].name, why))
			return nil
		}
		if cause := context.Cause(b.ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("measuring %s: %w", b.tools[i].name, err)
	}
	for i := range b.tools {
		t := &b.tools[i]
		results[i] = &result{Tool: t.name, Command: t.command}
		if !t.process() {
			continue
		}
		if _, err := os.Stat(t.command[0]); err != nil {
			results[i].Reason = fmt.Sprintf("%s is not there (Debian's package %s)", t.command[0], t.pack)
			continue
		}
		results[i].Version = version(t)
		// Not measured: it brings the tool's files into memory.
		if _, err := b.startUp(t); err != nil {
			if err := fail(i, err); err != nil {
				return nil, err
			}
		}
	}
	for round := range b.rounds {
		for turn := range b.tools {
			i := (turn + round) % len(b.tools)
			if results[i].Reason != "" {
				continue
			}
			progress(fmt.Sprintf("round %d of %d, %s", round+1, b.rounds, b.tools[i].name))
			v, err := b.measure(&b.tools[i])
			if err != nil {
				if err := fail(i, err); err != nil {
					return nil, err
				}
				continue
			}
			results[i].add(v)
		}
	}
	summarize(results)
	return results, nil
}

// measure gives all the values of a tool in one round.
func (b *bench) measure(t *tool) (values, error) {
	all := make(values)
	parts := []func(*tool) (values, error){b.loads}
	if t.process() {
		parts = append(parts, b.startUp)
	}
	if t.filter != nil || t.attach != nil {
		parts = append(parts, b.filtered)
	}
	for _, part := range parts {
		v, err := part(t)
		if err != nil {
			return nil, err
		}
		for key, value := range v {
			all[key] = value
		}
	}
	return all, nil
}

// loads measures a tool under all loads. Each load runs before the tool is there
// too, by the same processes, and what it takes longer with the tool counts.
func (b *bench) loads(t *tool) (values, error) {
	c, err := b.newCrew(2)
	if err != nil {
		return nil, err
	}
	defer c.close()
	bare, err := b.loadsOnce(c, func() error { return nil })
	if err != nil {
		return nil, err
	}

	r, err := b.start(t, c.command(t), c)
	if err != nil {
		return nil, err
	}
	defer r.abandon()
	if r.process == nil {
		traced, err := b.loadsOnce(c, func() error { return nil })
		if err != nil {
			return nil, err
		}
		return slowing(bare, traced), r.stop()
	}

	before, err := r.process.cpu()
	if err != nil {
		return nil, err
	}
	var after time.Duration
	traced, err := b.loadsOnce(c, func() (err error) {
		if err = r.process.rest(b.ctx); err == nil {
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
	opens := float64(traced.opens)
	v[rowsShare] = 100 * float64(told.rows) / opens
	v[lostShare] = 100 * float64(told.lost) / opens
	v[untoldShare] = 100 - v[rowsShare] - v[lostShare]
	if told.rows > 0 {
		v[cpuPerRow] = float64(after-before) / 1e3 / float64(told.rows)
	}
	v[firstInFile] = r.ready.Sub(r.process.started).Seconds() * 1e3
	v[memoryPeak], v[memorySteady] = peak, now
	return v, nil
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
	bare, err := flood(b.load, c.flood...)
	if err != nil {
		return nil, err
	}
	command := c.command(t)
	if t.filter != nil {
		command = append(command, t.filter(c.probe.pid())...)
	}
	r, err := b.start(t, command, c)
	if err != nil {
		return nil, err
	}
	defer r.abandon()
	traced, err := flood(b.load, c.flood...)
	if err != nil {
		return nil, err
	}
	return values{openFiltered: (traced[0].each() - bare[0].each()) / 1e3}, r.stop()
}
