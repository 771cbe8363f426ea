package container

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

// stateMax is the most bytes that are read of a runtime's file.
const stateMax = 32 << 20

// states are the files in which the runtimes keep what they know of their containers. Those of a
// user's own runtimes are that user's to write: they are believed for that user's containers
// alone.
type states struct {
	root string // of the file system; "/" but in tests
	home func(uid uint32) string
}

// homeOf is the folder of a user; "" if it is not known.
func homeOf(uid uint32) string {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return ""
	}
	return u.HomeDir
}

// complete adds what the runtime's files tell of a container whose cgroup that user has made. It
// reports whether any of them knows it.
func (s *states) complete(c *event.Container, uid uint32) bool {
	looks := map[string]func(*event.Container, uint32) bool{
		docker: s.docker, podman: s.storage, crio: s.storage, containerd: s.containerd,
	}
	if look := looks[c.Runtime]; look != nil {
		return look(c, uid)
	}
	if c.Runtime != "" {
		return true // its name is in the path
	}
	return s.containerd(c, uid) || s.storage(c, uid) || s.docker(c, uid)
}

// docker keeps a file for each container.
func (s *states) docker(c *event.Container, uid uint32) bool {
	folders := []string{"/var/lib/docker"}
	if uid != 0 {
		folders = s.ofHome(uid, ".local/share/docker")
	} else if own := s.dockerRoot(); own != "" {
		folders = append([]string{own}, folders...)
	}
	for _, folder := range folders {
		var state struct {
			Name   string
			Config struct {
				Image  string
				Labels map[string]string
			}
		}
		if s.read(filepath.Join(folder, "containers", c.ID, "config.v2.json"), &state) != nil {
			continue
		}
		c.Runtime = docker
		c.Name, c.Image = strings.TrimPrefix(state.Name, "/"), state.Config.Image
		c.Pod, c.Namespace = state.Config.Labels["io.kubernetes.pod.name"], state.Config.Labels["io.kubernetes.pod.namespace"]
		return true
	}
	return false
}

// dockerRoot is where docker's configuration puts its files; "" if it does not say.
func (s *states) dockerRoot() string {
	var daemon struct {
		Root string `json:"data-root"`
	}
	_ = s.read("/etc/docker/daemon.json", &daemon) // it need not be there
	return daemon.Root
}

// storage is what podman and CRI-O keep: a list of all containers, and a file of its own for
// each of CRI-O's.
func (s *states) storage(c *event.Container, uid uint32) bool {
	folders := []string{"/var/lib/containers/storage", "/run/containers/storage"}
	if uid != 0 {
		folders = append(s.ofHome(uid, ".local/share/containers/storage"), fmt.Sprintf("/run/user/%d/containers", uid))
	} else if own := s.graphRoot(); own != "" {
		folders = append([]string{own}, folders...)
	}
	found := false
	for _, folder := range folders {
		lists, _ := filepath.Glob(filepath.Join(s.root, folder, "*-containers", "*containers.json"))
		for _, list := range lists {
			found = s.listed(strings.TrimPrefix(list, s.root), c) || found
		}
		if configs, _ := filepath.Glob(filepath.Join(s.root, folder, "*-containers", c.ID, "userdata", "config.json")); len(configs) > 0 {
			found = s.annotated(strings.TrimPrefix(configs[0], s.root), c) || found
		}
	}
	if found && c.Runtime == "" {
		c.Runtime = podman
	}
	return found
}

// listed looks for a container in a list of them.
func (s *states) listed(list string, c *event.Container) bool {
	var all []struct {
		ID       string   `json:"id"`
		Names    []string `json:"names"`
		Metadata string   `json:"metadata"`
	}
	if s.read(list, &all) != nil {
		return false
	}
	for _, one := range all {
		if one.ID != c.ID {
			continue
		}
		if len(one.Names) > 0 && c.Name == "" {
			c.Name = one.Names[0]
		}
		var metadata struct {
			Image string `json:"image-name"`
			Pod   string `json:"pod-name"`
		}
		_ = json.Unmarshal([]byte(one.Metadata), &metadata) // it need not be JSON
		if c.Image == "" {
			c.Image = metadata.Image
		}
		if c.Pod == "" {
			c.Pod = metadata.Pod
		}
		return true
	}
	return false
}

// graphRoot is where the configuration of these puts their files; "" if it does not say.
func (s *states) graphRoot() string {
	text, err := s.text("/etc/containers/storage.conf")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(line, "=")
		if ok && strings.TrimSpace(key) == "graphroot" {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}

// containerd keeps a configuration of each running container, by namespaces of its own.
func (s *states) containerd(c *event.Container, uid uint32) bool {
	folders := []string{"/run/containerd"}
	if uid != 0 {
		folders = []string{fmt.Sprintf("/run/user/%d/containerd", uid)}
	}
	for _, folder := range folders {
		configs, _ := filepath.Glob(filepath.Join(s.root, folder, "io.containerd.runtime.v2.task", "*", c.ID, "config.json"))
		for _, config := range configs {
			if s.annotated(strings.TrimPrefix(config, s.root), c) {
				c.Runtime = containerd
				return true
			}
		}
	}
	return false
}

// The annotations that containers get of Kubernetes' runtimes, and of nerdctl.
var annotations = []struct {
	key string
	of  func(c *event.Container) *string
}{
	{"io.kubernetes.cri.container-name", func(c *event.Container) *string { return &c.Name }},
	{"io.kubernetes.cri.image-name", func(c *event.Container) *string { return &c.Image }},
	{"io.kubernetes.cri.sandbox-name", func(c *event.Container) *string { return &c.Pod }},
	{"io.kubernetes.cri.sandbox-namespace", func(c *event.Container) *string { return &c.Namespace }},
	{"io.kubernetes.container.name", func(c *event.Container) *string { return &c.Name }},
	{"io.kubernetes.cri-o.ImageName", func(c *event.Container) *string { return &c.Image }},
	{"io.kubernetes.pod.name", func(c *event.Container) *string { return &c.Pod }},
	{"io.kubernetes.pod.namespace", func(c *event.Container) *string { return &c.Namespace }},
	{"nerdctl/name", func(c *event.Container) *string { return &c.Name }},
}

// annotated takes what the annotations in a container's configuration tell (config.json of the
// Open Container Initiative).
func (s *states) annotated(config string, c *event.Container) bool {
	var state struct {
		Annotations map[string]string `json:"annotations"`
	}
	if s.read(config, &state) != nil {
		return false
	}
	for _, a := range annotations {
		if value := state.Annotations[a.key]; value != "" {
			*a.of(c) = value
		}
	}
	// The container that holds a pod's namespaces has no name of its own.
	kind := state.Annotations["io.kubernetes.cri.container-type"] + state.Annotations["io.kubernetes.cri-o.ContainerType"]
	if strings.Contains(kind, "sandbox") {
		c.Name = "POD"
	}
	return true
}

// plain finds a container of runc's own, or of containerd's, whose cgroup is called as the user
// called it, by what its runtime has in /run for it.
func (s *states) plain(path string) (c event.Container, ok bool) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, name := range parts {
		if name == "" || name == "." || name == ".." {
			continue
		}
		c := event.Container{ID: name, Name: name}
		if s.isFolder(filepath.Join("/run/runc", name)) {
			c.Runtime = runc
			return c, true
		}
		if i > 0 && s.isFolder(filepath.Join("/run/containerd/io.containerd.runtime.v2.task", parts[i-1], name)) {
			c.Runtime = containerd
			s.containerd(&c, 0)
			return c, true
		}
	}
	return event.Container{}, false
}

func (s *states) isFolder(path string) bool {
	info, err := os.Lstat(filepath.Join(s.root, path))
	return err == nil && info.IsDir()
}

// ofHome is a folder below a user's home, as a list of none or one.
func (s *states) ofHome(uid uint32, folder string) []string {
	home := s.home(uid)
	if !filepath.IsAbs(home) {
		return nil
	}
	return []string{filepath.Join(home, folder)}
}

// text reads a file, which may be any user's: it waits for no FIFO and takes no end of it.
func (s *states) text(path string) ([]byte, error) {
	file, err := os.OpenFile(filepath.Join(s.root, path), os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, stateMax+1))
	if len(text) > stateMax {
		return nil, fmt.Errorf("%s has more than %d bytes", path, stateMax)
	}
	return slices.Clip(text), err
}

// read reads a file of JSON.
func (s *states) read(path string, into any) error {
	text, err := s.text(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
