package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// configured returns a file of flags.
func configured(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flags")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Lines may be written as flags are, or as in YAML, and the command line comes first.
func TestConfig(t *testing.T) {
	f, cmd := newFlags(t, "--config", configured(t, `
# what to show
failed
path /etc/**
path: /srv/a b:c=d
--columns=pid,path
output json
duration 3
full_path false
summary 10s
`), "-d", "5")
	if err := f.loadConfig(cmd); err != nil {
		t.Fatal(err)
	}
	if f.trace.Filter.Failed != true || f.output.format != formatJSON || f.duration.String() != "5s" || f.output.fullPath || !f.output.summary.set {
		t.Errorf("flags are %+v", f)
	}
	if got := cmd.Lookup("path").Value.String(); !strings.Contains(got, "/etc/**") || !strings.Contains(got, "/srv/a b:c=d") {
		t.Errorf("paths are %q", got)
	}
}

func newFlags(t *testing.T, args ...string) (*flags, *pflag.FlagSet) {
	t.Helper()
	f := &flags{}
	cmd, err := f.parse(args)
	if err != nil {
		t.Fatal(err)
	}
	return f, cmd
}

// What is wrong is told with its line, and status 2.
func TestWrongConfig(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"failed\n\nduratoin 5\n":     `line 3: unknown flag "duratoin"; did you mean --duration?`,
		"config x":                   `line 1: unknown flag "config"`,
		"x":                          `line 1: unknown flag "x"`,
		"duration":                   "line 1: duration needs a value",
		"# one\nduration soon":       "line 2: -d soon: expected a time",
		"failed maybe":               "line 1: -x=maybe: ",
		"\x00":                       `line 1: unknown flag "\x00"`,
		strings.Repeat("#\n", 1<<20): "has more than",
	} {
		path := configured(t, text)
		status, stdout, stderr := runMain(t, "--config", path)
		if status != exitUsage || stdout != "" || !strings.Contains(stderr, path) || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%.20q: status %d, stdout %q, stderr %q, want %q", text, status, stdout, stderr, want)
		}
	}
	for path, want := range map[string]string{fifo: "not a regular file", t.TempDir(): "not a regular file", "/nowhere/flags": "no such file"} {
		if status, _, stderr := runMain(t, "--config", path); status != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d, stderr %q", path, status, stderr)
		}
	}
}
