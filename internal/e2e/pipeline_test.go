package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// readingRows is opensnoop and a loop that shows each row, and then opens a file by a program.
func readingRows(t *testing.T, shell, flags string) (cmd *exec.Cmd, stdout, stderr *lockedBuffer) {
	t.Helper()
	stdout, stderr = &lockedBuffer{}, &lockedBuffer{}
	cmd = exec.Command("bash", "-c", shell+`"$0" --columns comm,file -n `+openerComm+` `+flags+` | while read -r row; do echo "$row"; "$OPENER" names /tmp/of-the-loop; done`, opensnoop)
	cmd.Env = append(os.Environ(), "OPENER="+opener)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); cmd.Wait() })
	awaitStart(t, cmd, stderr, func() bool { return strings.Contains(stdout.String(), "FILE") })
	return cmd, stdout, stderr
}

// What who reads the rows opens, and what that starts, makes no rows if that is asked for.
func TestExcludePipeline(t *testing.T) {
	// With lastpipe the shell itself reads, of which opensnoop is a child.
	for name, shell := range map[string]string{"a subshell": "", "the shell": "shopt -s lastpipe; "} {
		t.Run(name, func(t *testing.T) {
			forEachProbe(t, func(t *testing.T, flag string) {
				cmd, stdout, stderr := readingRows(t, shell, flag+" --exclude-pipeline -c 6")
				want := []string{"COMM             FILE"}
				for i := range 3 {
					open(t, "names", fmt.Sprintf("/tmp/of-another-%d", i))
					for _, file := range []string{fmt.Sprintf("/tmp/of-another-%d", i), end} {
						want = append(want, fmt.Sprintf("%-16s %s", openerComm, file))
					}
					eventually(t, "the row", func() bool { return strings.Count(stdout.String(), "\n") >= len(want) })
				}
				if status := wait(t, cmd); status != 0 {
					t.Errorf("status %d", status)
				}
				if got := strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n"); !slices.Equal(got, want) || strings.Contains(stderr.String(), "lost") {
					t.Errorf("%q, want %q; stderr %q", got, want, stderr)
				}
			})
		})
	}
}

// Rows that make more rows are told of.
func TestHintOfPipeline(t *testing.T) {
	notInGuests(t)
	_, _, stderr := readingRows(t, "", "")
	eventually(t, "the hint", func() bool {
		open(t, "names", "/tmp/one-more")
		return strings.Contains(stderr.String(), openerComm+"): --exclude-pipeline leaves those out\n")
	})
	// Where nobody reads by a pipe, nothing is left out.
	r := runToEnd(t, exec.Command("sh", "-c", `"$0" --exclude-pipeline -d 0.01 >/dev/null`, opensnoop))
	if r.status != 0 || !strings.Contains(r.stderr, "no process reads the rows by a pipe") {
		t.Errorf("without a pipe: status %d, %q", r.status, r.stderr)
	}
}
