package container

import (
	"regexp"
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

// idPattern is the id of a container as docker, podman, CRI-O and containerd's CRI make it.
const idPattern = `([0-9a-f]{64})`

// A form is how the cgroups of a runtime's containers are called: the name of the folder, which
// gives their id or name, below one that is called as above says, if it says so.
type form struct {
	runtime string // "" if it does not tell
	above   *regexp.Regexp
	name    *regexp.Regexp
}

// forms are tried one after the other, for each folder of a path from the top on.
var forms = []form{
	{docker, nil, regexp.MustCompile(`^docker-` + idPattern + `\.scope$`)},
	{podman, nil, regexp.MustCompile(`^libpod-` + idPattern + `(?:\.scope)?$`)},
	{crio, nil, regexp.MustCompile(`^crio-` + idPattern + `(?:\.scope)?$`)},
	{containerd, nil, regexp.MustCompile(`^(?:cri-containerd|nerdctl)[-:]` + idPattern + `(?:\.scope)?$`)},
	{docker, regexp.MustCompile(`^docker$`), regexp.MustCompile(`^` + idPattern + `$`)},
	{"", nil, regexp.MustCompile(`^` + idPattern + `$`)}, // as in the cgroup of a pod
	{nspawn, nil, regexp.MustCompile(`^systemd-nspawn@(.+)\.service$`)},
	{nspawn, regexp.MustCompile(`^machine\.slice$`), regexp.MustCompile(`^machine-(.+)\.scope$`)},
	{lxc, nil, regexp.MustCompile(`^lxc\.payload\.(.+)$`)},
	{lxc, regexp.MustCompile(`^(?:lxc|lxc\.payload)$`), regexp.MustCompile(`^(.+)$`)},
}

// fromPath finds by the path of a cgroup, from the top of its hierarchy, which container it is
// of: the outermost, which is the one that this machine's runtimes know. It returns what the
// path tells, and how much of it is the container's own cgroup.
func fromPath(path string) (c event.Container, own string, ok bool) {
	above := ""
	for at := 0; at < len(path); {
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
		if c, ok := fromName(above, name); ok {
			return c, path[:end], true
		}
		above, at = name, end
	}
	return event.Container{}, "", false
}

func fromName(above, name string) (event.Container, bool) {
	for _, f := range forms {
		if f.above != nil && !f.above.MatchString(above) {
			continue
		}
		m := f.name.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		c := event.Container{ID: m[1], Runtime: f.runtime}
		switch f.runtime {
		case nspawn:
			c.ID = unescapeUnit(m[1])
			if f.above != nil && strings.HasPrefix(c.ID, "qemu-") {
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
