// Package perfbuf reads what BPF programs write with bpf_perf_event_output: a ring buffer
// for each CPU that is on line, also for those that come later; and puts the records of all into the
// order of time.
package perfbuf

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Options are what rings are made of.
type Options struct {
	// Pages is the size of each ring, a power of two.
	Pages int

	// Watermark is how many bytes in a ring end a wait.
	Watermark int
}

// OpenError says which ring cannot be had. Err is the system's.
type OpenError struct {
	Step string
	CPU  int
	Err  error
}

func (e *OpenError) Error() string { return fmt.Sprintf("%s for CPU %d: %v", e.Step, e.CPU, e.Err) }
func (e *OpenError) Unwrap() error { return e.Err }

// Reader reads the rings of a map. It is not safe for concurrent use.
type Reader struct {
	events *ebpf.Map
	opts   Options
	rings  map[int]*ring // by CPU
	polled []unix.PollFd
}

// New opens a ring for each CPU that is on line, of those that the perf event array has
// places for.
func New(events *ebpf.Map, opts Options) (*Reader, error) {
	r := &Reader{events: events, opts: opts, rings: make(map[int]*ring)}
	if err := r.WatchCPUs(nil, nil); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// WatchCPUs opens rings for the CPUs that are on line now and have none, and gives up those of
// CPUs that are not. Those for which dead is true are opened anew: the ring of a CPU that
// has been off line stays dead when it comes back. What they hold is given out first.
func (r *Reader) WatchCPUs(dead func(cpu int) bool, give func(sample []byte) error) error {
	changed := false
	for cpu := range int(r.events.MaxEntries()) {
		old := r.rings[cpu]
		if old != nil && (dead == nil || !dead(cpu)) {
			continue
		}
		fresh, err := openRing(cpu, r.opts.Pages, r.opts.Watermark)
		if err != nil && !errors.Is(err, unix.ENODEV) {
			return err
		}
		changed = changed || old != fresh
		if err := r.replace(cpu, old, fresh, give); err != nil {
			return err
		}
	}
	if len(r.rings) == 0 {
		return errors.New("no CPU has a perf buffer")
	}
	if changed {
		r.polled = r.polled[:0]
		for _, ring := range r.rings {
			r.polled = append(r.polled, unix.PollFd{Fd: int32(ring.fd), Events: unix.POLLIN})
		}
	}
	return nil
}

// replace puts a CPU's ring in the place of the one before; nil for none.
func (r *Reader) replace(cpu int, old, fresh *ring, give func(sample []byte) error) (err error) {
	delete(r.rings, cpu)
	if fresh != nil {
		r.rings[cpu] = fresh
		if err = r.events.Put(uint32(cpu), uint32(fresh.fd)); err != nil {
			err = fmt.Errorf("putting the perf buffer of CPU %d into the map: %w", cpu, err)
		}
	}
	if old == nil {
		return err
	}
	if fresh == nil {
		// The map holds it beyond its descriptor (kernel/bpf/arraymap.c).
		if err = r.events.Delete(uint32(cpu)); err != nil {
			err = fmt.Errorf("taking the perf buffer of CPU %d out of the map: %w", cpu, err)
		}
	}
	err = errors.Join(err, old.read(give))
	old.close()
	return err
}

// CPUs returns the numbers of the CPUs that have a ring, in order.
func (r *Reader) CPUs() []int { return slices.Sorted(maps.Keys(r.rings)) }

// Wait returns when a ring is filled to its watermark, or after that time.
func (r *Reader) Wait(limit time.Duration) error {
	timeout := unix.NsecToTimespec(int64(limit))
	for i := range r.polled {
		r.polled[i].Revents = 0
	}
	_, err := unix.Ppoll(r.polled, &timeout, nil)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("waiting for the perf buffers: %w", err)
	}
	// The ring of a CPU that has gone off line would end each wait at once.
	for i := range r.polled {
		if r.polled[i].Revents&^unix.POLLIN != 0 {
			r.polled[i].Fd = -1
		}
	}
	return nil
}

// Read gives out all samples that are in the rings now, a ring after the other. A sample is
// valid during the call. An error of give ends it and is returned.
func (r *Reader) Read(give func(sample []byte) error) error {
	for _, ring := range r.rings {
		if err := ring.read(give); err != nil {
			return err
		}
	}
	return nil
}

// Close gives up the rings.
func (r *Reader) Close() {
	for _, ring := range r.rings {
		ring.close()
	}
	r.rings, r.polled = nil, nil
}
