package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

const interrupt = unix.SIGINT

// ours are the names of our BPF programs and maps, cut as the kernel cuts them.
var ours = []string{"open_enter", "open_return", "open_named", "syscall_enter", "syscall_exit", "uring_submit", "task_fork", "task_wake", "named_exit", "task_exit", "task_exec",
	"exec_enter", "exec_open", "exec_loader", "cgroup_made", "walk_enter", "uring_walk_ente", "walk_return", "walk_exec", "followed", "events", "scratch", "pending", "slots"}

// inKernel returns the names of all BPF programs and maps in the kernel, by kind and number.
func inKernel(t *testing.T) map[string]string {
	t.Helper()
	objects := make(map[string]string)
	for id := ebpf.ProgramID(0); ; {
		var err error
		if id, err = ebpf.ProgramGetNextID(id); errors.Is(err, os.ErrNotExist) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p, err := ebpf.NewProgramFromID(id); err == nil {
			if info, err := p.Info(); err == nil {
				objects[fmt.Sprint("program ", id)] = info.Name
			}
			p.Close()
		}
	}
	for id := ebpf.MapID(0); ; {
		var err error
		if id, err = ebpf.MapGetNextID(id); errors.Is(err, os.ErrNotExist) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if m, err := ebpf.NewMapFromID(id); err == nil {
			if info, err := m.Info(); err == nil {
				objects[fmt.Sprint("map ", id)] = info.Name
			}
			m.Close()
		}
	}
	return objects
}

// leftovers lists the BPF programs and maps in the kernel that bear our names and are of no
// process that is there: those of another opensnoop are.
func leftovers(t *testing.T) (found []string) {
	t.Helper()
	objects := inKernel(t)
	held := heldBy("[0-9]*")
	others := false
	for object, name := range objects {
		switch {
		case !slices.Contains(ours, name):
		case held[object]:
			others = true
		default:
			found = append(found, object+" "+name)
		}
	}
	if others {
		return found // whose a kprobe is cannot be seen
	}
	return append(found, kernelProbes(t)...)
}

var heldPattern = regexp.MustCompile(`(?m)^(prog|map)_id:\s+(\d+)$`)

// heldBy returns the BPF programs and maps that processes have descriptors of.
func heldBy(pids string) map[string]bool {
	kinds := map[string]string{"prog": "program ", "map": "map "}
	held := make(map[string]bool)
	files, _ := filepath.Glob("/proc/" + pids + "/fdinfo/*")
	for _, file := range files {
		text, _ := os.ReadFile(file) // it may be gone
		for _, m := range heldPattern.FindAllStringSubmatch(string(text), -1) {
			held[kinds[m[1]]+m[2]] = true
		}
	}
	return held
}

// kernelProbes lists the kprobes in the kernel that are on an open function.
func kernelProbes(t *testing.T) []string {
	t.Helper()
	if !kprobes() {
		return nil
	}
	dir := t.TempDir()
	if err := unix.Mount("debugfs", dir, "debugfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, 0)
	list, err := os.ReadFile(filepath.Join(dir, "kprobes/list"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(list)) {
		if slices.ContainsFunc([]string{"do_sys_open", "do_filp_open", "do_file_open", "do_handle_open", "sys_openat2"}, func(function string) bool {
			return strings.Contains(line, function)
		}) {
			found = append(found, "kprobe "+strings.TrimSpace(line))
		}
	}
	return found
}

// wantNothingLeft waits until the kernel has freed all that opensnoop made: it
// does so a moment after the end of a process.
func wantNothingLeft(t *testing.T, before []string) {
	t.Helper()
	var after []string
	eventually(t, "the end of all probes", func() bool {
		after = slices.DeleteFunc(leftovers(t), func(s string) bool { return slices.Contains(before, s) })
		return len(after) == 0
	})
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Errorf("%s is left in the folder for temporary files", entry.Name())
	}
}

func TestSignalsEndIt(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			before := leftovers(t)
			temporary := t.TempDir()
			cmd := exec.Command(opensnoop)
			cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
			tr := startCommand(t, cmd)
			held := heldBy(strconv.Itoa(tr.cmd.Process.Pid))
			if len(held) < 2 {
				t.Fatalf("while it runs it has %v", held)
			}
			if sig == unix.SIGKILL {
				tr.cmd.Process.Kill()
				tr.wantStatus(-1)
			} else {
				tr.stop(sig)
			}
			eventually(t, "the end of all that it had in the kernel", func() bool {
				for object := range inKernel(t) {
					if held[object] {
						return false
					}
				}
				return true
			})
			wantNothingLeft(t, before)
			wantEmpty(t, temporary)
		})
	}
}

func TestKilledWhileCompiling(t *testing.T) {
	before := leftovers(t)
	cmd, compiler := startCompiling(t, func() *exec.Cmd { return exec.Command(opensnoop, "--no-cache", "-d", "0.01") })
	cmd.Process.Kill()
	if status := wait(t, cmd); status != -1 {
		t.Fatalf("it ended with status %d before it was killed", status)
	}
	awaitEnd(t, compiler)
	wantNothingLeft(t, before)
	if out, err := exec.Command(opensnoop, "--no-cache", "-d", "0.01").CombinedOutput(); err != nil {
		t.Errorf("the next start: %v\n%s", err, out)
	}
	for _, place := range []string{"/run", os.TempDir(), "/dev/shm"} {
		if left, _ := filepath.Glob(fmt.Sprintf("%s/opensnoop-%d-*", place, cmd.Process.Pid)); left != nil {
			t.Errorf("the next start has left %q", left)
		}
	}
}

func TestInterruptedWhileCompiling(t *testing.T) {
	cmd, compiler := startCompiling(t, func() *exec.Cmd { return exec.Command(opensnoop, "--no-cache", "-d", "0.01") })
	cmd.Process.Signal(interrupt)
	if status := wait(t, cmd); status != 0 {
		t.Errorf("status %d, want 0", status)
	}
	awaitEnd(t, compiler)
}

// A compiler that is killed is told.
func TestKilledCompiler(t *testing.T) {
	for range 5 {
		var stderr strings.Builder
		cmd, compiler := startCompiling(t, func() *exec.Cmd {
			stderr.Reset()
			cmd := exec.Command(opensnoop, "--no-cache", "-d", "0.01")
			cmd.Stderr = &stderr
			return cmd
		})
		unix.Kill(compiler, unix.SIGKILL)
		status := wait(t, cmd)
		if status != 1 || !strings.Contains(stderr.String(), "SIGKILL") || strings.Count(stderr.String(), "\n") > 2 {
			t.Errorf("status %d, stderr:\n%s", status, stderr.String())
		}
	}
}

func TestReaderThatLeaves(t *testing.T) {
	before := leftovers(t)
	for _, script := range []string{
		`"$0" | head -1`, // with no open after the header
		`"$0" | head -3`,
		`"$0" | true`,
		`"$0" --ebpf | true`,
		`"$0" -h | true`,
		`"$0" doctor | true`,
	} {
		cmd := exec.Command("bash", "-c", script+`; exit ${PIPESTATUS[0]}`, opensnoop)
		opening := make(chan struct{})
		if strings.Contains(script, "3") {
			go func() {
				for {
					select {
					case <-opening:
						return
					default:
						os.ReadFile(floodFile)
					}
				}
			}()
		}
		r := runToEnd(t, cmd)
		close(opening)
		if r.status != 0 || strings.Contains(r.stderr, "pipe") {
			t.Errorf("%s: status %d, stderr %q", script, r.status, r.stderr)
		}
	}
	wantNothingLeft(t, before)
}

func TestCount(t *testing.T) {
	flood := prepare(t, "flood", "10000", floodFile)
	tr := start(t, "-p", flood.arg(), "-c", "10")
	flood.begin()
	rows := 0
	for range tr.lines {
		rows++
	}
	tr.wantStatus(0)
	if rows != 10 {
		t.Errorf("%d rows for -c 10", rows)
	}
}

func TestDurationEndsIt(t *testing.T) {
	for _, duration := range []string{"1", "0.2s"} {
		tr := start(t, "-d", duration)
		open(t, "names", "/tmp/in-time")
		tr.wantStatus(0)
	}
}

func TestHangupIsIgnoredUnderNohup(t *testing.T) {
	tr := startCommand(t, exec.Command("sh", "-c", `trap "" HUP; exec "$0"`, opensnoop))
	tr.cmd.Process.Signal(unix.SIGHUP)
	tr.wantOpens([]string{"/tmp/after-hangup"}, "names", "/tmp/after-hangup")
	tr.stop(interrupt)
}
