package fleet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
		"--read-only", "--memory", c.Resources.Limits.Memory().String()[:3] + "m", "-v", "/usr:/usr:ro"}
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

// The DaemonSet's container shows what the host and a new container open, with names, is alive by its
// probe, and ends at once.
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
	other := slices.Concat(args[:slices.Index(args, "--name")+1], []string{name + "-other"}, args[slices.Index(args, "--ulimit"):slices.Index(args, "--pid")],
		[]string{"-v", "/usr:/usr:ro", "--rootfs", args[slices.Index(args, "--rootfs")+1], "cat", "/" + name + "-inside"})
	exec.Command("podman", other...).Run() // there is no such file
	eventually(t, "the row of another container", has("/"+name+"-inside", `"name":"`+name+`-other"`))
	probe := pod.Containers[0].LivenessProbe.Exec.Command
	if text, err := exec.Command("podman", slices.Concat([]string{"--runtime", "runc", "exec", name}, probe)...).CombinedOutput(); err != nil {
		t.Errorf("it is not alive: %v %s", err, text)
	}
	began := time.Now()
	if text, err := exec.Command("podman", "kill", "-s", "TERM", name).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, text)
	}
	<-p.ended
	if took := time.Since(began); took > time.Duration(*pod.TerminationGracePeriodSeconds)*time.Second || !p.ProcessState.Success() {
		t.Errorf("it ended after %v: %v; stderr %s", took, p.ProcessState, p.stderr)
	}
	if strings.Contains(p.stderr.String(), "users' names") || strings.Contains(p.stderr.String(), "cannot be told") {
		t.Errorf("stderr %s", p.stderr)
	}
}
