package cgroup

import (
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

const (
	// lookTime is how often a container is looked for that its runtime has no file of, lookTries
	// how often in all: the file may come later than the cgroup.
	lookTime  = 50 * time.Millisecond
	lookTries = 5

	// renewTime is how often it is looked whether a container has another name.
	renewTime = time.Second

	// workersMax is how many look up the containers of others than root at a time. What is looked
	// up of one owner is so one after the other.
	workersMax = 4

	// restTimes is how often as long as it has worked a goroutine rests, whose work anybody can
	// make more. It may put off restOwed of that, so that the first few containers do not wait.
	restTimes = 9
	restOwed  = time.Second / 2

	// askers are how many goroutines ask the kernel for cgroups, and askersRest is how often as
	// long they rest, when that is restMin in all: a shorter one takes as long.
	askers, askersRest = 4, 7
	restMin            = 5 * time.Millisecond

	// queueMax is how many containers of an owner may wait for being looked up.
	queueMax = 1 << 10
)

// backlog is what is to be looked up of one owner.
type backlog struct {
	fresh, stale []*Info // new ones, and those that may have another name by now
	busy         bool    // waits for a worker, or has one
}

// pool is what goroutines work on, one after the other.
type pool struct {
	ready []*backlog
	idle  []time.Time // until when each goroutine that does not run has to rest
	rests bool        // after each look-up, and not only after those that can wait
}

// queue has a container looked up; it is false if there are too many already.
func (r *Registry) queue(c *Info, stale bool) bool {
	select {
	case <-r.closed:
		return false
	default:
	}
	b := r.backlogs[c.owner]
	if b == nil {
		b = &backlog{}
		r.backlogs[c.owner] = b
	}
	switch limit := queueMax; {
	case c.queued:
		return true
	case c.owner == owner{}:
		limit *= 8
		fallthrough
	default:
		if len(b.fresh)+len(b.stale) >= limit {
			return false
		}
	}
	c.queued = true
	if stale {
		b.stale = append(b.stale, c)
	} else {
		b.fresh = append(b.fresh, c)
	}
	if b.busy {
		return true
	}
	p := &r.ofOthers
	if c.owner == (owner{}) {
		p = &r.ofRoot
	}
	b.busy = true
	p.ready = append(p.ready, b)
	if len(p.idle) > 0 {
		rested := p.idle[0]
		p.idle = p.idle[1:]
		r.ended.Go(func() { r.work(p, rested) })
	}
	return true
}

// next takes a container of a backlog.
func (b *backlog) next() (c *Info) {
	if len(b.fresh) > 0 {
		c, b.fresh = b.fresh[0], b.fresh[1:]
	} else {
		c, b.stale = b.stale[0], b.stale[1:]
	}
	return c
}

// work looks up what is ready in a pool, an owner's next after that of another. rested is until when
// the goroutine has to rest for the work that it has done.
func (r *Registry) work(p *pool, rested time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(p.ready) > 0 {
		b := p.ready[0]
		p.ready = p.ready[1:]
		c := b.next()
		c.queued = false
		r.mu.Unlock()
		began, rests := time.Now(), p.rests || c.Resolved()
		r.lookUp(c)
		if rests {
			if rested.Before(began) {
				rested = began
			}
			rested = rested.Add((1 + restTimes) * time.Since(began))
			r.rest(time.Until(rested) - restOwed)
		}
		r.mu.Lock()
		if len(b.fresh)+len(b.stale) > 0 {
			p.ready = append(p.ready, b)
		} else {
			b.busy = false
			delete(r.backlogs, c.owner)
		}
	}
	p.idle = append(p.idle, rested)
}

// rest waits, but not longer than the registry is in use.
func (r *Registry) rest(long time.Duration) {
	select {
	case <-r.closed:
	case <-time.After(long):
	}
}

// lookUp looks for what is known of a container, or whether that has changed.
func (r *Registry) lookUp(c *Info) {
	f, ok := r.filesOf(c)
	if ok {
		defer f.close()
	}
	if c.plain {
		if is, found := f.plain(c.path); found {
			r.resolve(c, &is)
		} else {
			r.resolve(c, event.Host)
		}
		return
	}
	was := c.Container()
	is := event.Container{ID: was.ID, Runtime: was.Runtime, UID: was.UID}
	if c.named {
		is.Name = was.Name
	}
	if c.outer != nil {
		ok = ok && c.outer.Resolved() // its name is a part of ours
		if is.Outer = c.outer.Container(); is.Outer == nil {
			r.resolve(c, nil)
			return
		}
	}
	if c.Resolved() && !(ok && r.changed(c, f)) {
		return
	}
	if ok && f.complete(&is) {
		c.sources = f.sources
		r.resolve(c, &is)
		return
	}
	if c.Resolved() {
		return
	}
	if c.tries++; c.tries < lookTries {
		time.AfterFunc(lookTime, func() {
			r.mu.Lock()
			queued := r.queue(c, false)
			r.mu.Unlock()
			if !queued {
				r.resolve(c, c.Container())
			}
		})
		return
	}
	if c.owner.uid != 0 {
		r.resolve(c, nil) // a user can call a cgroup by the id of anybody's container
		return
	}
	r.resolve(c, &is)
}

// changed reports whether what a container's name is from has changed, and looks no more if the
// container has ended.
func (r *Registry) changed(c *Info, f *files) bool {
	if r.hierarchy != nil && !r.hierarchy.has(c.path) {
		r.mu.Lock()
		c.renews = false
		r.mu.Unlock()
		return false
	}
	if c.outer != nil && c.outer.Container() != c.Container().Outer {
		return true
	}
	for _, s := range c.sources {
		if f.changed(s) {
			return true
		}
	}
	return false
}

// renew looks again and again for other names.
func (r *Registry) renew() {
	tick := time.NewTicker(renewTime)
	defer tick.Stop()
	for {
		select {
		case <-r.closed:
			return
		case <-tick.C:
		}
		r.mu.Lock()
		for _, g := range []*generation{r.now, r.before} {
			for _, c := range g.containers {
				if c.renews {
					r.queue(c, true)
				}
			}
		}
		r.mu.Unlock()
	}
}

// answer asks the kernel for cgroups.
func (r *Registry) answer() {
	for due := time.Duration(0); ; {
		if due > restMin {
			r.rest(due)
			due = 0
		}
		var id uint64
		select {
		case <-r.closed:
			return
		case id = <-r.asked:
		}
		began := time.Now()
		if path, err := r.hierarchy.path(id); err == nil {
			r.place(id, path, nobody)
		} else if err == unix.EPERM {
			r.walk()
		}
		r.mu.Lock()
		if c := r.cgroup(id); c != nil && c.asked {
			r.forget(id) // it has ended; perhaps it is learned of yet
		}
		r.mu.Unlock()
		due += askersRest * time.Since(began)
	}
}
