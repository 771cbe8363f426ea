// Package cgroup tells what a cgroup is of: which container, which unit of systemd's.
//
// A cgroup is known by its id. Its path comes when it is made ([Registry.Learn]), or from the
// kernel when somebody asks ([Registry.Of]), and says of which unit it is, and whether it is a
// container's. The container's name is in files of its runtime, which goroutines read: nobody
// waits for them here.
package cgroup

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

const (
	// cgroupsMax and sizeMax are how many cgroups, and about how many bytes of their containers'
	// paths and names, are kept that were used last; as many more may not be forgotten yet.
	cgroupsMax = 1 << 16
	sizeMax    = 4 << 20

	// ownerMax is how many of these bytes may be of the containers of one user.
	ownerMax = 1 << 20

	// overhead is about what a container takes beside its strings.
	overhead = 512

	// askedMax is how many cgroups may wait for being asked for.
	askedMax = 1 << 12

	// cutPath is how long a path is that the kernel has cut (TRACE_CGROUP_PATH_LEN, less one or
	// two).
	cutPath = 1022
)

// Registry knows cgroups. Its methods may be called from any goroutine.
type Registry struct {
	// Known, if set, is called when it is known what a cgroup is of, and when the container's
	// name has changed. It is set before anything else is done.
	Known func(id uint64, c *event.Container, u *event.Unit)

	hierarchy *hierarchy // nil if there is none
	root      int        // the file system's
	home      func(uid uint32) string

	mu          sync.Mutex
	now, before *generation
	ofRoot      pool // look-ups of root's containers
	ofOthers    pool // and of all others
	backlogs    map[owner]*backlog

	asked  chan uint64
	closed chan struct{}
	ended  sync.WaitGroup // the goroutines
}

// Info is what is known of a cgroup, or of all the cgroups of a container.
type Info struct {
	container atomic.Pointer[event.Container]
	resolved  atomic.Bool
	unit      *event.Unit
	since     time.Time // that it is looked up
	asked     bool      // the kernel has been asked for its path

	path  string // of the container's own cgroup
	outer *Info  // of the container around it; nil if there is none
	owner owner
	plain bool // the path does not tell that it is a container's
	named bool // the path has the container's name

	sources []source // of its name; only a look-up has them
	tries   int

	// Of the registry, under its lock.
	ids    []uint64
	size   int
	kept   *generation
	queued bool
	renews bool // it may have another name some time
}

// owner is whose files tell a container's name: a user's, or what a container has inside.
type owner struct {
	uid   uint32
	outer string // the cgroup of the container around; "" for a user
}

// Container returns which container it is of: [event.Host] for none, nil if that is not known.
func (c *Info) Container() *event.Container { return c.container.Load() }

// Unit returns which unit it is of: [event.NoUnit] for none, nil if that is not known.
func (c *Info) Unit() *event.Unit { return c.unit }

// Since is when it began to be looked up.
func (c *Info) Since() time.Time { return c.since }

// Resolved reports whether nothing is being looked up that could tell more.
func (c *Info) Resolved() bool { return c.resolved.Load() }

func resolved(is *event.Container, unit *event.Unit) *Info {
	c := &Info{unit: unit}
	c.container.Store(is)
	c.resolved.Store(true)
	return c
}

var (
	host    = resolved(event.Host, event.NoUnit)
	unknown = resolved(nil, nil)
)

// New returns an empty registry. Close ends it.
func New() (*Registry, error) {
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return newRegistry(root, homeOf, openHierarchy(mountPoints("/proc/self/mountinfo"))), nil
}

func newRegistry(root int, home func(uint32) string, h *hierarchy) *Registry {
	r := &Registry{
		root: root, home: home, hierarchy: h,
		now: newGeneration(), before: newGeneration(),
		ofRoot:   pool{idle: make([]time.Time, 1)},
		ofOthers: pool{idle: make([]time.Time, workersMax), rests: true},
		backlogs: make(map[owner]*backlog),
		asked:    make(chan uint64, askedMax), closed: make(chan struct{}),
	}
	if h != nil {
		for range askers {
			r.ended.Go(r.answer)
		}
	}
	r.ended.Go(r.renew)
	return r
}

// Close ends the goroutines, as soon as what they read ends.
func (r *Registry) Close() {
	close(r.closed)
	go func() {
		r.ended.Wait()
		unix.Close(r.root)
		if r.hierarchy != nil {
			r.hierarchy.close()
		}
	}()
}

// Blind says which containers cannot be told here, and why; "" if all can be.
func (r *Registry) Blind() string {
	switch {
	case !inUse("/proc/self/cgroup"):
		return "containers cannot be told: only cgroups of version 1 are in use here"
	case r.hierarchy == nil:
		return "containers that run already cannot be told: mount all of cgroup2 (-v /sys/fs/cgroup:/sys/fs/cgroup)"
	}
	return ""
}

// Of returns what is known of a cgroup, and has it looked for if nothing is. It never waits.
func (r *Registry) Of(id uint64) *Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.cgroup(id); c != nil {
		return c
	}
	if r.hierarchy == nil {
		return unknown
	}
	select {
	case r.asked <- id:
		c := &Info{since: time.Now(), asked: true}
		r.keep(id, c)
		return c
	default:
		return unknown // there are too many: perhaps next time
	}
}

// Learn takes in a cgroup that has been made: its id, its path from the top of the hierarchy, and
// the user who made it.
func (r *Registry) Learn(id uint64, path string, uid uint32) {
	if len(path) >= cutPath && r.hierarchy != nil {
		if whole, err := r.hierarchy.path(id); err == nil {
			path = whole
		}
	}
	r.place(id, path, int64(uid))
}

// nobody is who made a cgroup that was there before.
const nobody = -1

// place takes in a cgroup.
func (r *Registry) place(id uint64, path string, maker int64) {
	found := fromPath(path)
	own, isNew := path, maker != nobody
	if len(found) > 0 {
		own = found[0].own
	}
	if r.hierarchy != nil && (!isNew || own != path) {
		maker = r.hierarchy.maker(own)
	}
	r.mu.Lock()
	if c := r.cgroup(id); c != nil && !c.asked {
		r.mu.Unlock()
		return
	}
	c := r.onHost(unitOf(path), maker) // what a user calls a cgroup says of no container
	if len(found) == 0 && maker == 0 && path != "/" && path != "" {
		c = r.container(nil, match{own: path}, maker, isNew)
	}
	for i, m := range found {
		if i == 0 {
			c = nil
		}
		if c = r.container(c, m, maker, isNew && m.own == path); c == nil || c == unknown {
			break
		}
	}
	if c == nil { // there are too many: perhaps next time
		r.forget(id)
		r.mu.Unlock()
		return
	}
	r.keep(id, c)
	if !c.Resolved() || c.renews {
		c.ids = append(c.ids, id)
	}
	tell := r.Known != nil && c.Resolved() // else resolve will
	r.mu.Unlock()
	if tell {
		r.Known(id, c.Container(), c.unit)
	}
}

// onHost returns the entry of cgroups of a unit, but of no container.
func (r *Registry) onHost(unit event.Unit, maker int64) *Info {
	if unit.Name == "" {
		return host
	}
	key := unit.Within + "|" + unit.Name
	if c := r.entry(key); c != nil {
		return c
	}
	c := resolved(event.Host, &unit)
	if c.owner.uid = uint32(maker); maker != 0 && r.now.sizes[c.owner] >= ownerMax {
		return resolved(event.Host, nil)
	}
	c.path = key
	r.hold(c)
	return c
}

// entry returns the one that is kept by a path; nil if none is.
func (r *Registry) entry(path string) *Info {
	if c := r.now.containers[path]; c != nil {
		return c
	}
	return r.before.containers[path]
}

// container returns the entry of a container, within another or not, and has it looked up if it is
// new; nil if that cannot be now.
func (r *Registry) container(outer *Info, m match, maker int64, isNew bool) *Info {
	c := r.entry(m.own)
	if c != nil && !isNew && c.outer == outer {
		return c
	}
	o := owner{uid: uint32(maker)}
	if outer != nil {
		o = owner{outer: outer.path}
	} else if maker == nobody {
		return unknown
	}
	if o != (owner{}) && r.now.sizes[o] >= ownerMax {
		return unknown
	}
	c = &Info{since: time.Now(), path: strings.Clone(m.own), outer: outer, owner: o, plain: m.container.ID == "", named: m.container.Name != ""}
	unit := unitOf(m.own)
	c.unit = &unit
	is := m.container
	is.UID = o.uid
	if outer != nil {
		is.Outer = outer.Container()
	}
	is.SetTitle()
	if !c.plain {
		c.container.Store(&is)
	}
	if !r.queue(c, false) {
		return nil
	}
	r.hold(c)
	r.now.containers[c.path] = c
	return c
}

// resolve says which container it is, and that no more is to be found, for now.
func (r *Registry) resolve(c *Info, is *event.Container) {
	r.mu.Lock()
	if is != nil && is != event.Host {
		named := *is
		is = &named
		size := len(is.ID) + len(is.Name) + len(is.Image) + len(is.Pod) + len(is.Namespace)
		if c.owner != (owner{}) && r.now.sizes[c.owner]+size > ownerMax {
			named = event.Container{ID: is.ID, Runtime: is.Runtime, UID: is.UID, Outer: is.Outer}
			size = 0
		}
		is.SetTitle()
		size += len(is.Title)
		if c.kept == r.now {
			r.grow(c, size-c.size)
		}
		c.size = size
	}
	c.container.Store(is)
	c.resolved.Store(true)
	c.renews = is != nil && (len(c.sources) > 0 || c.outer != nil)
	ids := c.ids
	if is == event.Host {
		r.release(c)
	}
	r.mu.Unlock()
	if r.Known == nil {
		return
	}
	for _, id := range ids {
		r.Known(id, is, c.unit)
	}
}

// release forgets an entry that is no container's.
func (r *Registry) release(c *Info) {
	if c.kept == r.now {
		r.grow(c, -overhead-len(c.path))
	}
	host := r.onHost(*c.unit, int64(c.owner.uid))
	for _, g := range []*generation{r.now, r.before} {
		for _, id := range c.ids {
			if g.cgroups[id] == c {
				g.cgroups[id] = host
			}
		}
		if g.containers[c.path] == c {
			delete(g.containers, c.path)
		}
	}
}
