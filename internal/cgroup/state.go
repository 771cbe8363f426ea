package cgroup

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"opensnoop/internal/event"
)

// complete adds what the runtime's files tell of a container. It reports whether any of them knows
// it.
func (f *files) complete(c *event.Container) bool {
	switch c.Runtime {
	case docker:
		return f.docker(c)
	case podman, crio:
		return f.storage(c)
	case containerd:
		return f.containerd(c)
	case "":
		return f.containerd(c) || f.storage(c) || f.docker(c)
	}
	return true // its name is in the path
}

// docker keeps a file for each container.
func (f *files) docker(c *event.Container) bool {
	folders := []string{"/var/lib/docker"}
	if f.uid != 0 {
		folders = f.ofHome(".local/share/docker")
	} else {
		var daemon struct {
			Root string `json:"data-root"`
		}
		if f.read("/etc/docker/daemon.json", &daemon) && daemon.Root != "" {
			folders = append([]string{daemon.Root}, folders...)
		}
	}
	for _, folder := range folders {
		var state struct {
			Name   string
			Config struct {
				Image  string
				Labels struct {
					Pod       string `json:"io.kubernetes.pod.name"`
					Namespace string `json:"io.kubernetes.pod.namespace"`
				}
			}
		}
		if !f.read(filepath.Join(folder, "containers", c.ID, "config.v2.json"), &state) {
			continue
		}
		f.found()
		c.Runtime = docker
		c.Name, c.Image = name(strings.TrimPrefix(state.Name, "/")), name(state.Config.Image)
		c.Pod, c.Namespace = name(state.Config.Labels.Pod), name(state.Config.Labels.Namespace)
		return true
	}
	return false
}

// storage is what podman and CRI-O keep: a list of all containers, and a file of its own for
// each of CRI-O's.
func (f *files) storage(c *event.Container) (found bool) {
	if f.uid != 0 {
		found = f.stored(fmt.Sprintf("/run/user/%d/containers", f.uid), c)
		if !found || c.Name == "" {
			for _, folder := range f.ofHome(".local/share/containers/storage") {
				found = f.stored(folder, c) || found
			}
		}
	} else {
		for _, folder := range []string{f.graphRoot(), "/var/lib/containers/storage", "/run/containers/storage"} {
			found = folder != "" && f.stored(folder, c) || found
		}
	}
	if found && c.Runtime == "" {
		c.Runtime = podman
	}
	return found
}

// stored looks for a container in a folder of theirs.
func (f *files) stored(folder string, c *event.Container) (found bool) {
	for _, driver := range []string{"overlay", "vfs", "btrfs", "zfs"} {
		containers := filepath.Join(folder, driver+"-containers")
		if !f.isFolder(containers) {
			continue
		}
		for _, list := range []string{"containers.json", "volatile-containers.json"} {
			found = f.listed(filepath.Join(containers, list), c) || found
		}
		found = f.annotated(filepath.Join(containers, c.ID, "userdata/config.json"), c) || found
	}
	return found
}

// listed looks for a container in a list of them.
func (f *files) listed(list string, c *event.Container) (found bool) {
	f.each(list, func(d *json.Decoder) (more bool, err error) {
		var one struct {
			ID       string    `json:"id"`
			Names    [1]string `json:"names"`
			Metadata string    `json:"metadata"`
		}
		if err := d.Decode(&one); err != nil || one.ID != c.ID {
			return true, err
		}
		var metadata struct {
			Image string `json:"image-name"`
			Pod   string `json:"pod-name"`
		}
		_ = json.Unmarshal([]byte(one.Metadata), &metadata) // it need not be JSON
		for _, take := range []struct {
			into *string
			text string
		}{{&c.Name, one.Names[0]}, {&c.Image, metadata.Image}, {&c.Pod, metadata.Pod}} {
			if *take.into == "" {
				*take.into = name(take.text)
			}
		}
		found = true
		return false, nil
	})
	if found {
		f.found()
	}
	return found
}

// graphRoot is where the configuration of these puts their files; "" if it does not say.
func (f *files) graphRoot() string {
	file, err := f.open("/etc/containers/storage.conf", 0)
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(io.LimitReader(file, stateMax)); lines.Scan(); {
		key, value, ok := strings.Cut(lines.Text(), "=")
		if ok && strings.TrimSpace(key) == "graphroot" {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}

// containerdStates are where root's containerd keeps the state of what runs: its own, and those
// that k3s and RKE2, MicroK8s, and k0s bring.
var containerdStates = []string{
	"/run/containerd", "/run/k3s/containerd", "/var/snap/microk8s/common/run/containerd", "/run/k0s/containerd",
}

// tasks is where a state folder of containerd's has one for each container, by namespaces of its
// own.
const tasks = "io.containerd.runtime.v2.task"

func (f *files) containerd(c *event.Container) bool {
	folders := containerdStates
	if f.uid != 0 {
		folders = []string{fmt.Sprintf("/run/user/%d/containerd", f.uid)}
	}
	for _, folder := range folders {
		for _, namespace := range f.below(filepath.Join(folder, tasks)) {
			if f.annotated(filepath.Join(folder, tasks, namespace, c.ID, "config.json"), c) {
				c.Runtime = containerd
				return true
			}
		}
	}
	return false
}

// annotations are those that containers get of Kubernetes' runtimes, and of nerdctl.
type annotations struct {
	Name          string `json:"io.kubernetes.cri.container-name"`
	Image         string `json:"io.kubernetes.cri.image-name"`
	Pod           string `json:"io.kubernetes.cri.sandbox-name"`
	Namespace     string `json:"io.kubernetes.cri.sandbox-namespace"`
	Kind          string `json:"io.kubernetes.cri.container-type"`
	CRIOName      string `json:"io.kubernetes.container.name"`
	CRIOImage     string `json:"io.kubernetes.cri-o.ImageName"`
	CRIOPod       string `json:"io.kubernetes.pod.name"`
	CRIONamespace string `json:"io.kubernetes.pod.namespace"`
	CRIOKind      string `json:"io.kubernetes.cri-o.ContainerType"`
	NerdctlName   string `json:"nerdctl/name"`
}

// annotated takes what the annotations in a container's configuration tell (config.json of the
// Open Container Initiative).
func (f *files) annotated(config string, c *event.Container) bool {
	var state struct {
		Annotations annotations `json:"annotations"`
	}
	if !f.read(config, &state) {
		return false
	}
	a := &state.Annotations
	for _, take := range []struct {
		into *string
		text string
	}{
		{&c.Name, a.Name}, {&c.Name, a.CRIOName}, {&c.Name, a.NerdctlName},
		{&c.Image, a.Image}, {&c.Image, a.CRIOImage},
		{&c.Pod, a.Pod}, {&c.Pod, a.CRIOPod},
		{&c.Namespace, a.Namespace}, {&c.Namespace, a.CRIONamespace},
	} {
		if text := name(take.text); text != "" {
			*take.into = text
		}
	}
	// The container that holds a pod's namespaces has no name of its own.
	if a.Kind == "sandbox" || a.CRIOKind == "sandbox" {
		c.Name = "POD"
	}
	return true
}

// plain finds a container of runc's own, or of containerd's, whose cgroup is called as the user
// called it, by what its runtime has in /run for it.
func (f *files) plain(path string) (c event.Container, ok bool) {
	above := ""
	for name := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if name == "" || name == "." || name == ".." {
			continue
		}
		c := event.Container{ID: name, Name: name}
		if f.isFolder("/run/runc/" + name) {
			c.Runtime = runc
			return c, true
		}
		for _, folder := range containerdStates {
			if above != "" && f.isFolder(filepath.Join(folder, tasks, above, name)) {
				c.Runtime = containerd
				f.containerd(&c)
				return c, true
			}
		}
		above = name
	}
	return event.Container{}, false
}
