package fleet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// decode decodes a manifest, in which no field may be unknown or there twice.
func decode(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(packaging, "kubernetes", name))
	if err == nil {
		err = yaml.UnmarshalStrict(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestManifests(t *testing.T) {
	var set apps.DaemonSet
	decode(t, "daemonset.yaml", &set)
	decode(t, "namespace.yaml", &core.Namespace{})
	pod := set.Spec.Template.Spec
	if set.Kind != "DaemonSet" || set.APIVersion != "apps/v1" || !pod.HostPID || len(pod.Containers) != 1 {
		t.Fatalf("it is %+v", set)
	}
	for label, value := range set.Spec.Selector.MatchLabels {
		if set.Spec.Template.Labels[label] != value {
			t.Errorf("its pods lack the label %s=%s", label, value)
		}
	}
	c := pod.Containers[0]
	var volumes []string
	for _, v := range pod.Volumes {
		volumes = append(volumes, v.Name)
	}
	for _, m := range c.VolumeMounts {
		if !slices.Contains(volumes, m.Name) {
			t.Errorf("there is no volume %s", m.Name)
		}
		if !m.ReadOnly && m.Name != "cache" {
			t.Errorf("%s can be written to", m.Name)
		}
	}
	if !*c.SecurityContext.ReadOnlyRootFilesystem || *c.SecurityContext.Privileged || c.LivenessProbe == nil || c.Resources.Limits.Memory().IsZero() {
		t.Errorf("the container is %+v", c)
	}
	kustomization, err := os.ReadFile(filepath.Join(packaging, "kubernetes", "kustomization.yaml"))
	if err != nil || !strings.Contains(string(kustomization), "name: "+c.Image) {
		t.Errorf("kustomize does not name the image %s: %v", c.Image, err)
	}
}

// podman returns the command that runs the container of a pod as the kubelet would, on a root folder
// with the machine's own programs.
func podman(t *testing.T, pod core.PodSpec, name string, flags string) []string {
	t.Helper()
	c := pod.Containers[0]
	root, config := t.TempDir(), t.TempDir()
	args := []string{"--runtime", "runc", "run", "--rm", "--name", name, "--ulimit", "nofile=1000:1000", "--ulimit", "nproc=500:500",
		"--network", "none", "--pid", "host", "--cgroupns", "private", "--security-opt", "seccomp=unconfined", "--security-opt", "no-new-privileges",
		"--read-only", "--memory", strconv.Itoa(smallMemory), "-v", "/usr:/usr:ro"}
	for _, capability := range c.SecurityContext.Capabilities.Drop {
		args = append(args, "--cap-drop", string(capability))
	}
	for _, capability := range c.SecurityContext.Capabilities.Add {
		args = append(args, "--cap-add", string(capability))
	}
	from := map[string]string{"flags": config, "cache": t.TempDir()}
	for _, v := range pod.Volumes {
		if v.HostPath != nil && from[v.Name] == "" {
			from[v.Name] = v.HostPath.Path
		}
	}
	for _, m := range c.VolumeMounts {
		if _, err := os.Stat(from[m.Name]); err != nil {
			continue // a runtime that is not here
		}
		mode := "rw"
		if m.ReadOnly {
			mode = "ro"
		}
		args = append(args, "-v", from[m.Name]+":"+m.MountPath+":"+mode)
		point := os.MkdirAll
		if m.Name == "passwd" {
			point = func(path string, _ os.FileMode) error { return os.WriteFile(path, nil, 0o644) }
		}
		if err := errors.Join(os.MkdirAll(root+filepath.Dir(m.MountPath), 0o755), point(root+m.MountPath, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+link, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"usr", "proc", "sys", "dev", "tmp", "run"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(exec.Command("cp", "../../bin/opensnoop", root+"/opensnoop").Run(), os.WriteFile(config+"/flags", []byte(flags), 0o644)); err != nil {
		t.Fatal(err)
	}
	return append(append(args, "--rootfs", root, "/opensnoop"), c.Args...)
}

// endTime is how long a node that is drained waits for opensnoop at most.
const endTime = 2 * time.Second

// smallMemory is enough for a start that compiles: what is mapped of the compiler can be read again.
const smallMemory = 64 << 20

// The DaemonSet's container shows what the host, a container that runs already and a new one open,
// with names. It starts without a cache in little memory, is alive by its probe, ends at once, and
// leaves no program in the kernel.
func TestDaemonSet(t *testing.T) {
	var set apps.DaemonSet
	decode(t, "daemonset.yaml", &set)
	pod := set.Spec.Template.Spec
	name := fmt.Sprint("fleet-", os.Getpid())
	flags, err := os.ReadFile(filepath.Join(packaging, "kubernetes", "flags"))
	if err != nil {
		t.Fatal(err)
	}
	args := podman(t, pod, name, string(flags)+"\npath /"+name+"-*\n")
	programs := loaded(t)
	running := exec.Command("podman", neighbour(args, name+"-running", nil, "sh", "-c", "read line; cat /"+name+"-inside-running")...)
	goOn, err := running.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, running)
	t.Cleanup(func() { exec.Command("podman", "rm", "-f", "-t", "0", name+"-running").Run() })
	eventually(t, "the container that runs before", func() bool {
		return exec.Command("podman", "container", "exists", name+"-running").Run() == nil
	})
	cmd := exec.Command("podman", args...)
	out := filepath.Join(t.TempDir(), "out")
	if cmd.Stdout, err = os.Create(out); err != nil {
		t.Fatal(err)
	}
	p := start(t, cmd)
	t.Cleanup(func() { exec.Command("podman", "rm", "-f", "-t", "0", name).Run() })
	has := func(texts ...string) func() bool {
		return func() bool {
			text, _ := os.ReadFile(out)
			for line := range strings.Lines(string(text)) {
				if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
					return true
				}
			}
			select {
			case <-p.ended:
				t.Fatalf("it has ended: %s", p.stderr)
			default:
			}
			return false
		}
	}
	eventually(t, "the start", has(`"record":"start"`))
	exec.Command("cat", "/"+name+"-host").Run()
	eventually(t, "the host's row", has("/"+name+"-host", `"container":null`, `"user":"root"`))
	exec.Command("podman", neighbour(args, name+"-other", nil, "cat", "/"+name+"-inside")...).Run() // there is no such file
	eventually(t, "the row of another container", has("/"+name+"-inside", `"name":"`+name+`-other"`))
	fmt.Fprintln(goOn)
	eventually(t, "the row of the container that ran before", has("/"+name+"-inside-running", `"name":"`+name+`-running"`))
	if limit := memoryLimit(t, name); limit != smallMemory {
		t.Errorf("its memory is limited to %d bytes", limit)
	}
	probe := pod.Containers[0].LivenessProbe.Exec.Command
	if text, err := exec.Command("podman", slices.Concat([]string{"--runtime", "runc", "exec", name}, probe)...).CombinedOutput(); err != nil {
		t.Errorf("it is not alive: %v %s", err, text)
	}
	if exec.Command("podman", neighbour(args, name+"-other", []string{"--pid", "host"}, probe...)...).Run() == nil {
		t.Error("a container without opensnoop is alive")
	}
	began := time.Now()
	if text, err := exec.Command("podman", "kill", "-s", "TERM", name).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, text)
	}
	<-p.ended
	if took := time.Since(began); took > endTime || !p.ProcessState.Success() {
		t.Errorf("it ended after %v: %v; stderr %s", took, p.ProcessState, p.stderr)
	}
	if strings.Contains(p.stderr.String(), "users' names") || strings.Contains(p.stderr.String(), "cannot be told") {
		t.Errorf("stderr %s", p.stderr)
	}
	eventually(t, "the end of all its BPF programs", func() bool {
		return !slices.ContainsFunc(loaded(t), func(id ebpf.ProgramID) bool { return !slices.Contains(programs, id) })
	})
}

// loaded are the ids of the BPF programs that are in the kernel.
func loaded(t *testing.T) (ids []ebpf.ProgramID) {
	t.Helper()
	for id := ebpf.ProgramID(0); ; ids = append(ids, id) {
		var err error
		if id, err = ebpf.ProgramGetNextID(id); errors.Is(err, os.ErrNotExist) {
			return ids
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// neighbour returns the command that runs another container on the same root folder, as args do.
func neighbour(args []string, name string, options []string, command ...string) []string {
	return slices.Concat([]string{"--runtime", "runc", "run", "-i", "--rm", "--name", name}, options, args[slices.Index(args, "--ulimit"):slices.Index(args, "--pid")],
		[]string{"-v", "/usr:/usr:ro", "--rootfs", args[slices.Index(args, "--rootfs")+1]}, command)
}

// memoryLimit is the limit that the kernel has for a container.
func memoryLimit(t *testing.T, name string) (limit int) {
	t.Helper()
	pid, err := exec.Command("podman", "inspect", "-f", "{{.State.Pid}}", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		_, path, _ := strings.Cut(strings.TrimSpace(line), ":")
		controller, path, _ := strings.Cut(path, ":")
		file := map[string]string{"memory": "/sys/fs/cgroup/memory" + path + "/memory.limit_in_bytes", "": "/sys/fs/cgroup" + path + "/memory.max"}[controller]
		if text, err := os.ReadFile(file); err == nil {
			limit, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		}
	}
	return limit
}
