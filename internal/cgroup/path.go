package cgroup

import (
	"slices"
	"strings"

	"opensnoop/internal/event"
)

// The runtimes that tell of themselves by their cgroups' names.
const (
	docker     = "docker"
	podman     = "podman"
	crio       = "cri-o"
	containerd = "containerd"
	runc       = "runc"
	nspawn     = "systemd-nspawn"
	lxc        = "lxc"
)

// idSize is how long the ids are that docker, podman, CRI-O and containerd's CRI make: of
// hexadecimal digits.
const idSize = 64

// A form is how the cgroups of a runtime's containers are called: what is before and behind their
// id or name in the name of the folder, and the folder above it, if that says so.
type form struct {
	runtime        string // "" if it does not tell
	above          []string
	before, behind string
	named          bool // by a name, and not by an id
}

// forms are tried one after the other, for each folder of a path from the top on.
var forms = []form{
	{runtime: docker, before: "docker-", behind: ".scope"},
	{runtime: podman, before: "libpod-", behind: ".scope"},
	{runtime: podman, before: "libpod-payload-"}, // --cgroups=split, as of Quadlet
	{runtime: podman, before: "libpod-"},
	{runtime: crio, before: "crio-", behind: ".scope"},
	{runtime: crio, before: "crio-"},
	{runtime: containerd, before: "cri-containerd-", behind: ".scope"},
	{runtime: containerd, before: "nerdctl-", behind: ".scope"},
	{runtime: docker, above: []string{"docker"}},
	{}, // as in the cgroup of a pod
	{runtime: nspawn, before: "systemd-nspawn@", behind: ".service", named: true},
	{runtime: nspawn, above: []string{"machine.slice"}, before: "machine-", behind: ".scope", named: true},
	{runtime: lxc, before: "lxc.payload.", named: true},
	{runtime: lxc, above: []string{"lxc", "lxc.payload"}, named: true},
}

// match returns the id or name in the name of a folder that is below another.
func (f *form) match(above, name string) (id string, ok bool) {
	if len(f.above) > 0 && !slices.Contains(f.above, above) {
		return "", false
	}
	if id, ok = strings.CutPrefix(name, f.before); !ok {
		return "", false
	}
	if id, ok = strings.CutSuffix(id, f.behind); !ok {
		return "", false
	}
	if f.named {
		return id, id != ""
	}
	return id, len(id) == idSize && strings.Trim(id, "0123456789abcdef") == ""
}

// match is a container that the path of a cgroup tells of, and how much of the path is the
// container's own cgroup.
type match struct {
	container event.Container
	own       string
}

// fromPath finds by the path of a cgroup, from the top of its hierarchy, which container it is of,
// and which ones that is in: the outermost, which this machine's runtimes know, is the first.
func fromPath(path string) (found []match) {
	above := ""
	for at := 0; at < len(path) && len(found) < event.ContainersMax; {
		start := at
		if path[at] == '/' {
			start++
		}
		end := strings.IndexByte(path[start:], '/')
		if end < 0 {
			end = len(path)
		} else {
			end += start
		}
		name := path[start:end]
		if c, ok := fromName(above, name); ok && (len(found) == 0 || found[len(found)-1].container.ID != c.ID) {
			found = append(found, match{c, path[:end]})
		}
		above, at = name, end
	}
	return found
}

func fromName(above, name string) (event.Container, bool) {
	for i := range forms {
		f := &forms[i]
		id, ok := f.match(above, name)
		if !ok {
			continue
		}
		c := event.Container{ID: id, Runtime: f.runtime}
		switch f.runtime {
		case nspawn:
			c.ID = unescapeUnit(id)
			if len(f.above) > 0 && strings.HasPrefix(c.ID, "qemu-") {
				return c, false // a virtual machine of libvirt's
			}
			c.Name = c.ID
		case lxc:
			c.Name = c.ID
		}
		return c, true
	}
	return event.Container{}, false
}

// unescapeUnit undoes what systemd does with the names of units (systemd.unit(5)).
func unescapeUnit(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' && i+3 < len(name) && name[i+1] == 'x' {
			if high, low := hex(name[i+2]), hex(name[i+3]); high >= 0 && low >= 0 {
				b.WriteByte(byte(high<<4 | low))
				i += 3
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

func hex(c byte) int { return strings.IndexByte("0123456789abcdef", c) }
