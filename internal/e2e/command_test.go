package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCommandsStatus(t *testing.T) {
	for _, test := range []struct {
		args   []string
		status int
	}{
		{[]string{"--", "sh", "-c", "exit 7"}, 7},
		{[]string{"--exec", "sh", "-c", "exit 7"}, 7},
		{[]string{"-x", "--", "true"}, 0},
		{[]string{"--", "sh", "-c", "kill -TERM $$"}, 128 + 15},
		{[]string{"-c", "1", "--", "sh", "-c", "exec sleep 300"}, 128 + 15},
		{[]string{"-d", "0.1", "--", "sh", "-c", "read x; exit 4"}, 4}, // no stdin
	} {
		r := runToEnd(t, exec.Command(opensnoop, test.args...))
		if r.status != test.status {
			t.Errorf("%q: status %d, want %d; stderr %q", test.args, r.status, test.status, r.stderr)
		}
		if !strings.HasPrefix(r.stdout, "TIME(s)") {
			t.Errorf("%q: stdout %q", test.args, r.stdout)
		}
	}
}

func TestCommandThatCannotStart(t *testing.T) {
	r := runToEnd(t, exec.Command(opensnoop, "--", "/no/such/command"))
	wantError(t, r, 1, "/no/such/command", "no such file")
	r = runToEnd(t, exec.Command(opensnoop, "cat", "/etc/hostname"))
	wantError(t, r, 2, `"cat"`, "--")
}

// From its loader's first open on, and only its own.
func TestCommandsOpens(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		r := runToEnd(t, exec.Command(opensnoop, probe, "--", "cat", "/etc/hostname"))
		if r.status != 0 {
			t.Fatalf("status %d, stderr %q", r.status, r.stderr)
		}
		lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
		var names []string
		for _, line := range lines[1:] {
			row := parseRow(t, line)
			names = append(names, row.file)
			if row.comm != "cat" {
				t.Errorf("another process shows: %q", line)
			}
		}
		if len(names) < 3 || names[0] != "/etc/ld.so.cache" || names[len(names)-1] != "/etc/hostname" {
			t.Errorf("the opens of cat are %q", names)
		}
		hostname, err := os.ReadFile("/etc/hostname")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(r.stderr, string(hostname)) {
			t.Errorf("the command's stdout did not come on stderr: %q", r.stderr)
		}
	})
}

func TestCommandsOutputIsUntouchedWithFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows")
	cmd := exec.Command(opensnoop, "-w", path, "--", "sh", "-c", "echo out; echo err >&2")
	r := runToEnd(t, cmd)
	if r.status != 0 || r.stdout != "out\n" || !strings.Contains(r.stderr, "err\n") {
		t.Errorf("status %d, stdout %q, stderr %q", r.status, r.stdout, r.stderr)
	}
	rows, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(rows), header+"\n") || !strings.Contains(string(rows), "/etc/ld.so.cache") {
		t.Errorf("the file holds %q, %v", rows, err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode() != 0o600 {
		t.Errorf("the file has the mode %v, %v", st.Mode(), err)
	}

	wantError(t, runToEnd(t, exec.Command(opensnoop, "--probe", "tracepoint", "-w", path, "-d", "0.1")), 1, path, "--force")
	if again, err := os.ReadFile(path); err != nil || string(again) != string(rows) {
		t.Errorf("the file was changed to %q, %v", again, err)
	}
	if r := runToEnd(t, exec.Command(opensnoop, "-w", path, "--force", "-p", "1", "-d", "0.1")); r.status != 0 {
		t.Errorf("--force: status %d, stderr %q", r.status, r.stderr)
	}
	if again, err := os.ReadFile(path); err != nil || string(again) != header+"\n" {
		t.Errorf("the file holds %q, %v", again, err)
	}
}

// Under sudo, the command is the user's who called it.
func TestCommandsUser(t *testing.T) {
	script := `echo "$(id -u) $(id -g) $(id -G) $HOME $USER ${SUDO_UID-none}"`
	environment := append(os.Environ(), "SUDO_UID=65534", "SUDO_GID=65534", "SUDO_USER=nobody", "HOME=/root", "USER=root")
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "65534 65534 65534 /nonexistent nobody none\n"},
		{[]string{"--as-root"}, "0 0 "},
	} {
		cmd := exec.Command(opensnoop, append(append([]string{"-x"}, test.args...), "--", "sh", "-c", script)...)
		cmd.Dir = "/"
		cmd.Env = environment
		r := runToEnd(t, cmd)
		if r.status != 0 || !strings.Contains(r.stderr, test.want) {
			t.Errorf("%q: status %d, stderr %q, want %q in it", test.args, r.status, r.stderr, test.want)
		}
	}
}

// A signal that ends opensnoop goes to the command, and its last opens still show.
func TestCommandGetsTheSignal(t *testing.T) {
	script := `trap "cat /etc/hostname; exec 3</dev/zero; exit 9" TERM; echo ready; while :; do sleep 0.05; done`
	tr := startCommand(t, exec.Command(opensnoop, "--", "sh", "-c", script))
	eventually(t, "the command", func() bool { return strings.Contains(tr.stderr.String(), "ready\n") })
	if err := tr.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	tr.until(func(r row) bool { return r.file == "/dev/zero" })
	tr.wantStatus(9)
}

// A second signal does not wait for a command that heeds none.
func TestSecondSignalKillsTheCommand(t *testing.T) {
	script := `trap "echo caught" TERM; echo ready; while :; do sleep 0.05; done`
	tr := startCommand(t, exec.Command(opensnoop, "--", "sh", "-c", script))
	for _, word := range []string{"ready\n", "caught\n"} {
		eventually(t, "the command's word", func() bool { return strings.Contains(tr.stderr.String(), word) })
		if err := tr.cmd.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	tr.wantStatus(128 + 9)
}

// If opensnoop is killed before tracing is on, the command never runs.
func TestKilledBeforeTheCommandRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ran")
	cmd, compiler := startCompiling(t, func() *exec.Cmd {
		os.Remove(path)
		cmd := exec.Command(opensnoop, "--no-cache", "--", "touch", path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		return cmd
	})
	command := 0
	for _, child := range children(cmd.Process.Pid) {
		if child != compiler {
			command = child
		}
	}
	if command == 0 {
		t.Fatal("the command is not held meanwhile")
	}
	cmd.Process.Kill()
	wait(t, cmd)
	awaitEnd(t, command)
	if _, err := os.Stat(path); err == nil {
		t.Error("the command ran")
	}
}

// Who types into a command on the terminal that the rows are on is told of -w.
func TestSharedTerminal(t *testing.T) {
	const said = "opensnoop: bash and the rows share this terminal: -w FILE keeps them apart"
	file := filepath.Join(t.TempDir(), "rows")
	for args, want := range map[string]bool{"-- bash": true, "-- bash -c true": false, "-w " + file + " -- bash": false} {
		cmd := exec.Command("script", "-qec", opensnoop+" "+args, os.DevNull)
		cmd.Stdin = strings.NewReader("exit\n")
		r := runToEnd(t, cmd)
		if r.status != 0 || strings.Contains(r.stdout, said) != want {
			t.Errorf("%s: status %d, %q", args, r.status, r.stdout)
		}
	}
}
