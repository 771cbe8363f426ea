package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long anything may take before a test fails.
const patience = 5 * time.Minute

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

// TestMain holds a command for TestEndsWithItsTracer, when that starts it so.
func TestMain(m *testing.M) {
	if path := os.Getenv("COMMAND_TEST"); path != "" {
		c, err := Start(context.Background(), Options{Args: []string{"touch", path}, Stdout: os.Stderr})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(c.PID())
		select {}
	}
	os.Exit(m.Run())
}

// start starts a command whose stdout is a file, and returns what reads that.
func start(t *testing.T, args ...string) (c *Command, stdout func() string) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	c, err = Start(t.Context(), Options{Args: args, Stdout: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	return c, func() string {
		text, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func TestStatus(t *testing.T) {
	for _, test := range []struct {
		script string
		want   int
	}{
		{"true", 0},
		{"exit 7", 7},
		{"kill -TERM $$", 128 + 15},
		{"exit 255", 255},
	} {
		c, _ := start(t, "sh", "-c", test.script)
		if err := c.Release(); err != nil {
			t.Error(err)
		}
		if got := c.Wait(); got != test.want {
			t.Errorf("%s: status %d, want %d", test.script, got, test.want)
		}
		<-c.Done()
	}
}

// The command has the pid, its own arguments, and no descriptors of ours.
func TestCommandIsItself(t *testing.T) {
	c, stdout := start(t, "sh", "-c", `echo $$ "$0" "$@"; exec ls /proc/self/fd`, "-x", "", "two words")
	pid := c.PID()
	if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err != nil || string(comm) == "sh\n" {
		t.Errorf("it runs before it is released: %s, %v", comm, err)
	}
	if got := stdout(); got != "" {
		t.Errorf("it wrote %q before it was released", got)
	}
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	descriptors, err := exec.Command("ls", "/proc/self/fd").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%d -x  two words\n%s", pid, descriptors); stdout() != want {
		t.Errorf("%q, want %q", stdout(), want)
	}
}

func TestCommandsThatCannotRun(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	script := file("script", "#!/no/such/interpreter\n", 0o755)
	noFormat := file("format", "no program\n", 0o755)
	for _, test := range []struct {
		args []string
		late bool // only its execution shows it
		want string
	}{
		{args: []string{"no-such-command"}, want: `exec: "no-such-command": executable file not found in $PATH`},
		{args: []string{""}, want: `exec: "": executable file not found in $PATH`},
		{args: []string{"/no/such/command"}, want: "exec /no/such/command: no such file or directory"},
		{args: []string{file("plain", "", 0o644)}, want: "permission denied"},
		{args: []string{dir}, late: true, want: "permission denied"},
		{args: []string{script}, late: true, want: "exec " + script + ": no such file or directory"},
		{args: []string{noFormat}, late: true, want: "exec " + noFormat + ": exec format error"},
		{args: []string{"true", strings.Repeat("x", 1<<20)}, want: "argument list too long"},
	} {
		c, err := Start(t.Context(), Options{Args: test.args, Stdout: os.Stderr})
		if test.late {
			if err != nil {
				t.Errorf("%.80q: %v", test.args, err)
				continue
			}
			err = c.Release()
			c.Wait()
		}
		if err == nil || !strings.HasPrefix(err.Error(), "starting the command: ") || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%.80q: error %v, want %q", test.args, err, test.want)
		}
	}
}

func TestKillBeforeRelease(t *testing.T) {
	c, stdout := start(t, "echo", "it ran")
	c.Kill()
	if got := c.Wait(); got != 128+9 {
		t.Errorf("status %d", got)
	}
	if err := c.Release(); err != nil {
		t.Errorf("releasing what has ended: %v", err)
	}
	if stdout() != "" {
		t.Error("it ran")
	}
}

// A signal ends a command that is held, even one that it ignores.
func TestSignalBeforeRelease(t *testing.T) {
	c, stdout := start(t, "echo", "it ran")
	c.Signal(unix.SIGTERM)
	if got := c.Wait(); got != 128+15 {
		t.Errorf("status %d", got)
	}
	c, _ = start(t, "echo", "it ran")
	c.Signal(unix.SIGCONT)
	if got := c.Wait(); got != 1 {
		t.Errorf("status %d", got)
	}
	if stdout() != "" {
		t.Error("it ran")
	}
}

func TestSignalAfterRelease(t *testing.T) {
	c, stdout := start(t, "sh", "-c", `trap "exit 9" TERM; echo ready; while :; do sleep 0.01; done`)
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the command", func() bool { return stdout() == "ready\n" })
	c.Signal(unix.SIGTERM)
	if got := c.Wait(); got != 9 {
		t.Errorf("status %d", got)
	}
}

func TestStartIsGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Options{Args: []string{"true"}, Stdout: os.Stderr}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// If the tracer is killed before it releases the command, that never runs.
func TestEndsWithItsTracer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ran")
	tracer := exec.Command("/proc/self/exe")
	tracer.Env = append(os.Environ(), "COMMAND_TEST="+path)
	stdout, err := tracer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	tracer.Process.Kill()
	tracer.Wait()
	eventually(t, "the end of the command", func() bool {
		state, err := os.ReadFile("/proc/" + strings.TrimSpace(line) + "/stat")
		return err != nil || strings.Contains(string(state), ") Z ")
	})
	if _, err := os.Stat(path); err == nil {
		t.Error("the command ran")
	}
}

// asRoot skips what needs root.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// Under sudo, the command is the user's who called it, and a program with the setuid
// bit has its rights all the same.
func TestUserOfSudo(t *testing.T) {
	asRoot(t)
	t.Setenv("SUDO_UID", "65534")
	c, stdout := start(t, "sh", "-c", `echo $(id -u) $(id -g) $(id -G) $HOME $USER ${SUDO_UID-none}; cat /proc/self/status | grep -E "NoNewPrivs|CapEff"`)
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if want := "65534 65534 65534 /nonexistent nobody none\nCapEff:\t0000000000000000\nNoNewPrivs:\t0\n"; stdout() != want {
		t.Errorf("%q, want %q", stdout(), want)
	}

	dir, err := os.MkdirTemp("", "command-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Flags&unix.ST_NOSUID != 0 {
		t.Skipf("%s takes no setuid bits, %v", dir, err)
	}
	program, err := exec.LookPath("id")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "id")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(own, text, 0o755), os.Chmod(own, 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
	c, stdout = start(t, own, "-u")
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	if status := c.Wait(); status != 0 || stdout() != "0\n" {
		t.Errorf("status %d, effective user %q", status, stdout())
	}
}

func TestUserOfSudoWhoCannotBe(t *testing.T) {
	asRoot(t)
	for _, id := range []string{"4294967295", "4294967296", "-1", "", "root", "4294967294"} {
		t.Setenv("SUDO_UID", id)
		_, err := Start(t.Context(), Options{Args: []string{"true"}, Stdout: os.Stderr})
		if err == nil || !strings.HasSuffix(err.Error(), "; --as-root runs the command as root") {
			t.Errorf("SUDO_UID=%s: error %v", id, err)
		}
		c, err := Start(t.Context(), Options{Args: []string{"true"}, Stdout: os.Stderr, AsRoot: true})
		if err != nil {
			t.Errorf("SUDO_UID=%s: %v", id, err)
			continue
		}
		c.Kill()
	}
	t.Setenv("SUDO_UID", "0")
	if u, err := (Options{}).user(); u != nil || err != nil {
		t.Errorf("root who called sudo is %v, %v", u, err)
	}
}

// Whoever starts a program with the setuid bit as a held command gets no more
// rights for the command than he has, whoever he says that he is.
func TestRightsOfFileAreDropped(t *testing.T) {
	asRoot(t)
	dir, err := os.MkdirTemp("", "command-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	text, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "held")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(own, text, 0o755), os.Chmod(own, 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`exec 3< <(printf x) 4>/dev/null; exec -a "$1" "%s" "0 0" /bin/sh sh -c "id -u; id -ru"`, own)
	cmd := exec.Command("setpriv", "--reuid=65534", "--clear-groups", "bash", "-c", script, "bash", heldName)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "65534\n65534\n" {
		t.Errorf("%q, %v", out, err)
	}
}
