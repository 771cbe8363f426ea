package cgroup

// A generation is what was used since the one before it was full.
type generation struct {
	cgroups    map[uint64]*Info
	containers map[string]*Info // by path
	size       int
	sizes      map[owner]int
}

func newGeneration() *generation {
	return &generation{make(map[uint64]*Info), make(map[string]*Info), 0, make(map[owner]int)}
}

// cgroup returns what is known of a cgroup, and keeps that; nil if nothing is.
func (r *Registry) cgroup(id uint64) *Info {
	c := r.now.cgroups[id]
	if c == nil {
		if c = r.before.cgroups[id]; c != nil {
			r.keep(id, c)
		}
	}
	return c
}

// keep keeps what is known of a cgroup.
func (r *Registry) keep(id uint64, c *Info) {
	if len(r.now.cgroups) >= cgroupsMax || r.now.size >= sizeMax {
		r.before, r.now = r.now, newGeneration()
	}
	r.now.cgroups[id] = c
	r.hold(c)
}

// forget forgets a cgroup.
func (r *Registry) forget(id uint64) {
	delete(r.now.cgroups, id)
	delete(r.before.cgroups, id)
}

// hold keeps a container, and those around it.
func (r *Registry) hold(c *Info) {
	for ; c != nil && c.path != "" && c.kept != r.now; c = c.outer {
		c.kept = r.now
		r.grow(c, overhead+len(c.path)+c.size)
		if r.now.containers[c.path] == nil {
			r.now.containers[c.path] = c
		}
	}
}

// grow counts bytes of a container.
func (r *Registry) grow(c *Info, size int) {
	r.now.size += size
	r.now.sizes[c.owner] += size
}
