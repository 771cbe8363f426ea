package record

import (
	"bytes"

	"opensnoop/internal/event"
)

// placeMember reads a field of the path, the program or the opened file, if it is one.
func (r *row) placeMember(name []byte) (found bool, err error) {
	e := r.e
	var place *event.Place
	var field event.Fields
	first, rest, _ := bytes.Cut(name, []byte("_"))
	switch string(first) {
	case "path":
		place, field = &e.Path, event.Path
	case "exe":
		place, field = &e.Exe, event.Exe
	case "realpath":
		place, field = &e.Real, event.File
	default:
		return false, nil
	}
	e.Fields |= field
	switch string(rest) {
	case "", "known":
		if r.null() {
			return true, nil
		}
		return true, r.keep(&place.Known)
	case "base64", "known_base64":
		return true, r.base64(&place.Known)
	case "problem":
		problem, err := r.text()
		if string(problem) == "not read" {
			e.Fields &^= field
			r.unread |= field
			return true, err
		}
		place.Problem = event.ParseProblem(problem)
		if place.Problem == event.PathSpecial {
			place.Kind = problem
		}
		return true, err
	}
	return true, r.skip(0)
}

// pathOfName takes the name for the path where a recording leaves that out.
func (r *row) pathOfName() {
	e := r.e
	if r.paths && !(e.Fields | r.unread).Has(event.Path) && e.NameKind == event.NameRead && bytes.HasPrefix(e.Name, []byte("/")) {
		e.Fields |= event.Path
		e.Path.Known = e.Name
	}
}

// dev reads a device as "major:minor"; the event then has a file.
func (r *row) dev() error {
	if r.null() {
		return nil
	}
	text, err := r.text()
	if err != nil {
		return err
	}
	major, minor, found := bytes.Cut(text, []byte(":"))
	high, err := parseUnsigned(major, 12)
	low, err2 := parseUnsigned(minor, 20)
	if !found || err != nil || err2 != nil {
		return errSyntax
	}
	r.e.Dev = uint32(high<<20 | low)
	return nil
}

// containerField reads the container, which is null for none.
func (r *row) containerField() error {
	r.e.Fields |= event.Cgroup
	r.e.Container = event.Host
	if r.null() {
		return nil
	}
	if err := r.containerObject(0); err != nil {
		return err
	}
	for i := range r.containers {
		if c := &r.containers[i]; c.ID != "" {
			c.SetTitle()
			r.e.Container = c
		}
	}
	return nil
}

// containerObject reads a container, which so many others are around, and those in it.
func (r *row) containerObject(outer int) error {
	if outer == len(r.containers) {
		return r.skip(0)
	}
	clear(r.containers[outer:])
	c := &r.containers[outer]
	if outer > 0 {
		c.Outer = &r.containers[outer-1]
	}
	return r.object(func(name []byte) (err error) {
		switch string(name) {
		case "uid":
			var uid uint64
			uid, err = r.unsigned(32)
			c.UID = uint32(uid)
		case "inner":
			err = r.containerObject(outer + 1)
		case "id":
			err = r.keepString(&c.ID)
		case "name":
			err = r.keepString(&c.Name)
		case "image":
			err = r.keepString(&c.Image)
		case "pod":
			err = r.keepString(&c.Pod)
		case "namespace":
			err = r.keepString(&c.Namespace)
		case "runtime":
			err = r.keepString(&c.Runtime)
		default:
			err = r.skip(0)
		}
		return err
	})
}

// keepString reads a string that is kept, or null.
func (r *row) keepString(to *string) error {
	var text []byte
	err := r.keep(&text)
	*to = string(text)
	return err
}

// unitField reads a field of the unit, which is null for none.
func (r *row) unitField(name string) error {
	r.e.Fields |= event.Cgroup
	switch name {
	case "unit_problem":
		r.noUnit = true
		return r.skip(0)
	case "unit":
		if r.null() {
			return nil
		}
		r.unit = event.Unit{}
		r.e.Unit = &r.unit
		return r.keepString(&r.unit.Name)
	}
	r.unit.Within = ""
	return r.array(func() error {
		around, err := r.text()
		if r.unit.Within != "" {
			r.unit.Within += "|"
		}
		r.unit.Within += string(around)
		return err
	})
}
