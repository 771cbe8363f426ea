package trace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"opensnoop/internal/container"
	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/kernel"
	"opensnoop/internal/perfbuf"
)

const (
	// cgroupPages is the size of each CPU's buffer of cgroups that are made.
	cgroupPages = 8

	// cgroupRound is how long a wait for one lasts at most: so long it may take to end.
	cgroupRound = 100 * time.Millisecond
)

// containers tells which containers opens are of.
type containers struct {
	registry *container.Registry
	reader   *perfbuf.Reader
	cpus     kernel.CPUs
	excluded *ebpf.Map // the cgroups that the program leaves out; nil if it leaves none out
	filter   *filter.Filter

	// The cgroup of the event before, whose container is not going to change: mostly it is
	// that of the next one too.
	last      uint64
	container *event.Container

	stop, stopped chan struct{}
}

// startContainers begins to learn of cgroups. Those that are there are known when it returns.
func (s *Session) startContainers() (err error) {
	if !s.plan.Fields.Has(event.Cgroup) {
		return nil
	}
	c := &containers{registry: container.New(), filter: &s.plan.Filter, stop: make(chan struct{}), stopped: make(chan struct{})}
	defer func() {
		if err != nil {
			c.registry.Close()
			if c.reader != nil {
				c.reader.Close()
			}
		}
	}()
	if s.plan.Filter.ByContainer() {
		if c.excluded, err = s.module.Map("cgroups_excluded"); err != nil {
			return err
		}
		c.registry.Known = c.exclude
	}
	made, err := s.module.Map("cgroups_made")
	if err != nil {
		return err
	}
	if c.reader, err = perfbuf.New(made, perfbuf.Options{Pages: cgroupPages, Watermark: 1}); err != nil {
		return fmt.Errorf("opening the perf buffers of cgroups: %w%s", err, whyNoBuffers(err))
	}
	for i := range s.plan.Cgroups {
		if _, err = s.attach(&s.plan.Cgroups[i]); err != nil {
			return fmt.Errorf("learning of containers: %w", err)
		}
	}
	c.registry.Walk()
	if !c.registry.HasHierarchy() {
		s.unseen = append(s.unseen, "the containers of processes that run already: no hierarchy of cgroups of version 2 is mounted")
	}
	s.containers = c
	go c.watch()
	return nil
}

// of returns the container of a cgroup, as [container.Registry.Of] does. It is for the loop of
// events alone.
func (c *containers) of(id uint64) *event.Container {
	if c.container != nil && id == c.last {
		return c.container
	}
	found, settled := c.registry.Of(id)
	if settled {
		c.last, c.container = id, found
	}
	return found
}

// watch learns of cgroups as they are made.
func (c *containers) watch() {
	defer close(c.stopped)
	for {
		select {
		case <-c.stop:
			return
		default:
		}
		// Without a CPU's buffer, cgroups are found when something opens in them.
		if c.cpus.Changed() {
			_ = c.reader.Follow(func(cpu int) bool { return !c.cpus.Online(cpu) }, c.learn)
		}
		if c.reader.Wait(cgroupRound) != nil || c.reader.Read(c.learn) != nil {
			return
		}
	}
}

// learn takes a record of a cgroup that was made: struct cgroup_made in <opensnoop/cgroup.h>.
func (c *containers) learn(sample []byte) error {
	const head = 16
	order := binary.NativeEndian
	if len(sample) < head {
		return nil
	}
	path := sample[head:]
	if end := bytes.IndexByte(path, 0); end >= 0 {
		path = path[:end]
	}
	c.registry.Learn(order.Uint64(sample), string(path), order.Uint32(sample[8:]))
	return nil
}

// exclude has the program leave out a cgroup of whose container no open is wanted.
func (c *containers) exclude(id uint64, of *event.Container) {
	if !c.filter.WantsContainer(of) {
		_ = c.excluded.Put(id, uint8(1)) // if it is full, the opens are left out here
	}
}

// close ends it.
func (c *containers) close() {
	close(c.stop)
	<-c.stopped
	c.reader.Close()
	c.registry.Close()
}
