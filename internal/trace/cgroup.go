package trace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"opensnoop/internal/cgroup"
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

	// holdTime is how long an event waits at most while its container is looked up, which mostly
	// begins when the event is read. However late that is, it does not wait when it is older than
	// holdAge, nor when more than holdMax bytes of records are behind it.
	holdTime = 300 * time.Millisecond
	holdAge  = time.Second
	holdMax  = 16 << 20
)

// How the program leaves out a cgroup: <opensnoop/maps.h> has the same.
const excluded, excludedOnHost = uint8(1), uint8(2)

// containers tells which containers opens are of.
type containers struct {
	registry *cgroup.Registry
	reader   *perfbuf.Reader
	cpus     kernel.CPUs
	excluded *ebpf.Map // the cgroups that the program leaves out; nil if it leaves none out
	filter   *filter.Filter

	// The cgroup of the event before: mostly it is that of the next one too. And that of the
	// record before.
	last   uint64
	cgroup *cgroup.Info
	read   uint64

	stop, stopped chan struct{}
}

// startContainers begins to learn of cgroups.
func (s *Session) startContainers() (err error) {
	if !s.plan.Fields.Has(event.Cgroup) {
		return nil
	}
	c := &containers{filter: &s.plan.Filter, stop: make(chan struct{}), stopped: make(chan struct{})}
	if c.registry, err = cgroup.New(); err != nil {
		return fmt.Errorf("learning of containers: %w", err)
	}
	defer func() {
		if err != nil {
			c.registry.Close()
			if c.reader != nil {
				c.reader.Close()
			}
		}
	}()
	if s.plan.Filter.ByCgroup() {
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
	s.blind = c.registry.Blind()
	s.containers = c
	go c.watch()
	return nil
}

// meet has the container of a record that was read looked for, if it is of another cgroup than the
// record before: it is known then when the record's turn comes.
func (c *containers) meet(record []byte) {
	if id := event.CgroupOf(record); id != c.read {
		c.read = id
		c.registry.Of(id)
	}
}

// of returns what is known of a cgroup. It is for the loop of events alone.
func (c *containers) of(id uint64) *cgroup.Info {
	if c.cgroup == nil || id != c.last || !c.cgroup.Resolved() || c.cgroup.Container() == nil {
		c.last, c.cgroup = id, c.registry.Of(id)
	}
	return c.cgroup
}

// nameContainer says which container an event is of. It is false if that is being looked up, and the
// event can wait for it.
func (s *Session) nameContainer(e *event.Event, last bool) bool {
	c := s.containers.of(e.Cgroup)
	e.Container, e.Unit = c.Container(), c.Unit()
	if e.CgroupNS && e.Container == event.Host {
		e.Container = nil // a container's, but nobody knows of which
	}
	if c.Resolved() {
		return true
	}
	if !s.containers.filter.WantsContainer(e.Container) {
		e.Container = nil // by its name it may be wanted
	}
	return time.Since(c.Since()) > holdTime || time.Duration(s.clock.now()-e.Time) > holdAge || !last && s.queue.Size() > holdMax
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
			_ = c.reader.WatchCPUs(func(cpu int) bool { return !c.cpus.Online(cpu) }, c.learn)
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
func (c *containers) exclude(id uint64, of *event.Container, unit *event.Unit) {
	switch wanted := c.filter.WantsUnit(unit); {
	case wanted && c.filter.WantsContainer(of):
		_ = c.excluded.Delete(id) // it may have had another name
	case wanted && of == event.Host:
		_ = c.excluded.Put(id, excludedOnHost) // if it is full, the opens are left out here
	default:
		_ = c.excluded.Put(id, excluded)
	}
}

// close ends it.
func (c *containers) close() {
	close(c.stop)
	<-c.stopped
	c.reader.Close()
	c.registry.Close()
}
