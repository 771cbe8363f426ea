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
	if r.null() {
		r.e.Container = event.Host
		return nil
	}
	r.container = event.Container{}
	r.e.Container = &r.container
	return r.object(func(name []byte) error {
		var text []byte
		if err := r.keep(&text); err != nil {
			return err
		}
		for _, member := range []struct {
			name string
			to   *string
		}{
			{"id", &r.container.ID}, {"name", &r.container.Name}, {"image", &r.container.Image},
			{"pod", &r.container.Pod}, {"namespace", &r.container.Namespace}, {"runtime", &r.container.Runtime},
		} {
			if member.name == string(name) {
				*member.to = string(text)
			}
		}
		return nil
	})
}
