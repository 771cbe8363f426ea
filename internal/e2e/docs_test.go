package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"opensnoop/tools/docs/page"
)

// Every command that the pages tell a reader to type is run, as the page has it: with an
// end, and with stand-ins for what would change the machine.
func TestCommandsOfThePages(t *testing.T) {
	notInGuests(t)
	standIn(t, "nginx")
	const root = "../.."
	pages, err := page.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("group", func(t *testing.T) {
		for _, p := range pages {
			for _, c := range p.Commands() {
				t.Run(fmt.Sprintf("%s:%d", c.Page, c.Line), func(t *testing.T) {
					t.Parallel()
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					if out, err := page.Shell(ctx, root, page.Run, c.Text); err != nil {
						t.Errorf("%s: %v\n%s", c.Text, err, out)
					}
				})
			}
		}
	})
}

// standIn runs a process of a name until the end of the test.
func standIn(t *testing.T, name string) (pid int) {
	t.Helper()
	sleep, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, sleep, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "1d")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd.Process.Pid
}
