package page

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Way is how commands of pages are run.
type Way string

// Parse has arguments read and no more. Run and Sample run the commands as root, in the
// folder of the pages' examples: Run so that they end soon, Sample so that their output
// is that of the page.
const (
	Parse  Way = "parse"
	Run    Way = "run"
	Sample Way = "sample"
)

// Shell runs a page's command, with stand-ins for programs that take long or change the
// machine, and returns what it writes. It returns an error if opensnoop fails, or takes
// the arguments for wrong, or if a program is not found. The repository is at root, with
// opensnoop in its bin.
func Shell(ctx context.Context, root string, way Way, text string) (out []byte, err error) {
	if root, err = filepath.Abs(root); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "docs-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	failed := filepath.Join(dir, "failed")
	standIns := filepath.Join(root, "tools/docs/stand-ins")
	if err := os.Symlink(standIns, filepath.Join(dir, "bin")); err != nil {
		return nil, err
	}
	argv := []string{"sh", "-c", text}
	if way != Parse {
		argv = slices.Concat([]string{"unshare", "--mount", filepath.Join(root, "tools/docs/shop.sh")}, argv)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = time.Second
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DOCS="+string(way), "DOCS_ROOT="+root, "DOCS_FAILED="+failed,
		"PATH="+standIns+":"+os.Getenv("PATH"), "MAKEFLAGS=", "MAKELEVEL=")
	out, err = cmd.CombinedOutput()
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if status := cmd.ProcessState.ExitCode(); err != nil && (way == Parse || status == 126 || status == 127) {
		return out, fmt.Errorf("%w: %s", err, out)
	}
	why, err := os.ReadFile(failed)
	switch {
	case err == nil:
		return out, errors.New("opensnoop: " + strings.TrimSpace(string(why)))
	case errors.Is(err, os.ErrNotExist):
		return out, nil
	}
	return out, err
}
