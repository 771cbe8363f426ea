// Package container tells which container a cgroup is of.
//
// A cgroup is known by its id, and learned when it is made ([Registry.Learn]) or when those that
// are there are looked at ([Registry.Walk]). Its path says whether it is a container's; the
// container's name is in files of its runtime, which a goroutine reads: nobody waits long for it.
package container

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"opensnoop/internal/event"
)

const (
	// cgroupsMax is how many cgroups are known at a time. If there are more, all are
	// forgotten, and those that are there are looked at anew.
	cgroupsMax = 1 << 16

	// queueMax is how many containers may wait for being looked up.
	queueMax = 1 << 12

	// lookTime is how often a container is looked for that its runtime has no file of, lookTries
	// how often in all: the file may come later than the cgroup.
	lookTime  = 50 * time.Millisecond
	lookTries = 5

	// waitTime is the longest that anybody waits for a name, waitTotal how long all do
	// together: a file may be where reading does not end.
	waitTime  = 100 * time.Millisecond
	waitTotal = 2 * time.Second

	// walkPause is how long it takes at least until all are looked at again.
	walkPause = time.Second
)

// Registry knows cgroups. Its methods may be called from any goroutine.
type Registry struct {
	// Known, if set, is called when it is known which container a cgroup is of, and that is
	// not going to change. It is set before the first Learn.
	Known func(id uint64, c *event.Container)

	states states
	mount  string // of the hierarchy; "" if there is none

	mu       sync.Mutex
	cgroups  map[uint64]*entry
	entries  map[key]*entry
	waited   time.Duration
	nextWalk time.Time

	root, users chan *entry // of root, and of other users, to look up
	closed      chan struct{}
}

// key is what a container is known by: its own cgroup, and who made that.
type key struct {
	uid uint32
	own string
}

// entry is a container.
type entry struct {
	container atomic.Pointer[event.Container]
	done      chan struct{} // closed when no more is to be known of it

	path  string
	uid   uint32
	plain bool // its path does not tell that it is a container's

	ids   []uint64
	tries int
}

// settled reports whether no more is to be known of a container.
func (e *entry) settled() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// host is the entry of cgroups that are no container's.
var host = func() *entry {
	e := &entry{done: make(chan struct{})}
	e.container.Store(event.Host)
	close(e.done)
	return e
}()

// New returns an empty registry. Close ends it.
func New() *Registry {
	return newRegistry(states{"/", homeOf}, mountPoint("/proc/self/mountinfo"))
}

func newRegistry(s states, mount string) *Registry {
	r := &Registry{
		states: s, mount: mount,
		cgroups: make(map[uint64]*entry), entries: make(map[key]*entry),
		root: make(chan *entry, queueMax), users: make(chan *entry, queueMax),
		closed: make(chan struct{}),
	}
	go r.look(r.root)
	go r.look(r.users)
	return r
}

// Close ends the goroutines, as soon as what they read ends.
func (r *Registry) Close() { close(r.closed) }

// HasHierarchy reports whether cgroups of version 2 are mounted here, without which none is known
// but those that are made later.
func (r *Registry) HasHierarchy() bool { return r.mount != "" }

// Learn takes in a cgroup: its id, its path from the top of the hierarchy, and the user who made
// it.
func (r *Registry) Learn(id uint64, path string, uid uint32) {
	e, queue := r.learn(id, path, uid)
	if queue == nil {
		r.tell(e, id)
		return
	}
	select {
	case queue <- e:
	default:
		r.settle(e)
	}
}

// learn returns the entry of a cgroup, and where it is to be looked up if it is new.
func (r *Registry) learn(id uint64, path string, uid uint32) (*entry, chan *entry) {
	c, own, ok := fromPath(path)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.cgroups) >= cgroupsMax {
		clear(r.cgroups)
		clear(r.entries)
		r.nextWalk = time.Time{}
	}
	if !ok && (uid != 0 || path == "/" || path == "") {
		r.cgroups[id] = host // what a user calls a cgroup of another kind says nothing
		return host, nil
	}
	if !ok {
		own = path
	}
	e := r.entries[key{uid, own}]
	if e == nil {
		e = &entry{done: make(chan struct{}), path: path, uid: uid, plain: !ok}
		e.container.Store(&c)
		r.entries[key{uid, own}] = e
	}
	r.cgroups[id] = e
	isNew := len(e.ids) == 0
	e.ids = append(e.ids, id)
	switch {
	case !isNew:
		return e, nil
	case uid != 0:
		return e, r.users
	}
	return e, r.root
}

// tell tells of a cgroup whose container is known.
func (r *Registry) tell(e *entry, id uint64) {
	if r.Known != nil && e.settled() { // else settle will
		r.Known(id, e.container.Load())
	}
}

// look looks up what comes.
func (r *Registry) look(queue chan *entry) {
	for {
		select {
		case <-r.closed:
			return
		case e := <-queue:
			if r.lookUp(e) {
				r.settle(e)
				continue
			}
			time.AfterFunc(lookTime, func() {
				select {
				case queue <- e:
				default:
					r.settle(e)
				}
			})
		}
	}
}

// lookUp looks for an entry's container, and reports whether there is no more to be found.
func (r *Registry) lookUp(e *entry) bool {
	e.tries++
	if e.plain {
		c, ok := r.states.plain(e.path)
		if !ok {
			e.container.Store(event.Host)
		} else {
			e.container.Store(&c)
		}
		return true
	}
	c := *e.container.Load()
	found := r.states.complete(&c, e.uid)
	e.container.Store(&c)
	if found || e.tries < lookTries {
		return found
	}
	if e.uid != 0 {
		// A user can call a cgroup by the id of anybody's container.
		e.container.Store(nil)
	}
	return true
}

// settle says that no more will be known of a container.
func (r *Registry) settle(e *entry) {
	r.mu.Lock()
	close(e.done)
	ids := e.ids
	r.mu.Unlock()
	if r.Known == nil {
		return
	}
	for _, id := range ids {
		r.Known(id, e.container.Load())
	}
}

// Of returns the container of a cgroup: [event.Host] for none, nil if it is not known; and whether
// that is not going to change. It waits a little for a name that is being looked up, but not again
// and again.
func (r *Registry) Of(id uint64) (c *event.Container, settled bool) {
	r.mu.Lock()
	e := r.cgroups[id]
	walk := e == nil && time.Now().After(r.nextWalk)
	if walk {
		r.nextWalk = time.Now().Add(walkPause)
	}
	patience := min(waitTime, waitTotal-r.waited)
	r.mu.Unlock()
	if walk {
		go r.Walk()
	}
	if e == nil {
		return nil, false
	}
	if !e.settled() && patience > 0 {
		began := time.Now()
		select {
		case <-e.done:
		case <-time.After(patience):
		}
		r.mu.Lock()
		r.waited += time.Since(began)
		r.mu.Unlock()
	}
	settled = e.settled()
	c = e.container.Load()
	if !settled && c != nil && c.ID == "" {
		return nil, false // it is not looked at yet
	}
	return c, settled
}

// Walk takes in all cgroups that are there.
func (r *Registry) Walk() {
	if r.mount == "" {
		return
	}
	_ = filepath.WalkDir(r.mount, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // it has gone meanwhile
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		stat := info.Sys().(*syscall.Stat_t)
		r.mu.Lock()
		known := r.cgroups[stat.Ino] != nil
		r.mu.Unlock()
		if !known {
			r.Learn(stat.Ino, "/"+strings.TrimPrefix(strings.TrimPrefix(path, r.mount), "/"), stat.Uid)
		}
		return nil
	})
}

// mountPoint is where the hierarchy of cgroups of version 2 is mounted; "" if it is not.
func mountPoint(mountInfo string) string {
	text, err := os.ReadFile(mountInfo)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if ok && strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 && fields[3] == "/" {
			return fields[4]
		}
	}
	return ""
}
