package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	apps "k8s.io/api/apps/v1"
)

// A container's log has lines of the runtime's format, and long ones in parts: rows arrive whole.
func TestContainerLog(t *testing.T) {
	for name, wrap := range map[string]func(line string) string{
		"k8s-file": func(line string) string {
			var b strings.Builder
			for len(line) > 1000 {
				fmt.Fprintf(&b, "2026-11-30T12:00:00.000000000+00:00 stdout P %s\n", line[:1000])
				line = line[1000:]
			}
			return b.String() + "2026-11-30T12:00:00.000000000+00:00 stdout F " + line + "\n"
		},
		"json-file": func(line string) string {
			text, _ := json.Marshal(map[string]string{"log": line + "\n", "stream": "stdout", "time": "2026-11-30T12:00:00.000000000Z"})
			return string(text) + "\n"
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCollection(t, "containers.yaml")
			raw := filepath.Join(t.TempDir(), "raw")
			p := trace(t, "-w", raw)
			long, opens := openLongNames()
			p.end(t, syscall.SIGTERM)
			text, err := os.ReadFile(raw)
			if err != nil {
				t.Fatal(err)
			}
			var log strings.Builder
			log.WriteString(wrap("opensnoop: a message"))
			for line := range strings.Lines(string(text)) {
				log.WriteString(wrap(strings.TrimSuffix(line, "\n")))
			}
			if err := os.WriteFile(c.path("rows.log"), []byte(log.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			wantWhole(t, c, long, opens)
		})
	}
}

// openLongNames opens names of some 4,000 bytes, which begin with what it returns.
func openLongNames() (prefix string, opens int) {
	prefix = "/nowhere/" + strings.Repeat("x/", 2040)
	for opens < 200 {
		exec.Command(opener, "names", prefix+strconv.Itoa(opens)).Run()
		opens++
	}
	return prefix, opens
}

// wantWhole wants the rows of openLongNames, and all that were written besides.
func wantWhole(t *testing.T, c *collection, prefix string, opens int) {
	t.Helper()
	eventually(t, "the end record", func() bool { return c.arrived(t).ended })
	a, whole := c.arrived(t), 0
	for _, row := range a.records {
		if regexp.MustCompile(`^` + prefix + `\d+$`).MatchString(row["opensnoop.file"]) {
			whole++
		}
	}
	if whole != opens || a.last != len(a.rows) {
		t.Errorf("%d rows are whole, %d of %d have arrived", whole, len(a.rows), a.last)
	}
}

// The log that podman writes of the DaemonSet's container: it splits the longest rows.
func TestPodmansLog(t *testing.T) {
	var set apps.DaemonSet
	decode(t, "daemonset.yaml", &set)
	c := newCollection(t, "containers.yaml")
	name := fmt.Sprint("fleet-log-", os.Getpid())
	args := podman(t, set.Spec.Template.Spec, name, "output json\nstream\ncolumns fd,err,path,realpath\nname "+openerComm+"\n")
	args = slices.Insert(args, slices.Index(args, "run")+1, "--log-driver", "k8s-file", "--log-opt", "path="+c.path("rows.log"))
	start(t, exec.Command("podman", args...))
	t.Cleanup(func() { exec.Command("podman", "rm", "-f", "-t", "0", name).Run() })
	log := func() string {
		text, _ := os.ReadFile(c.path("rows.log"))
		return string(text)
	}
	eventually(t, "the start", func() bool { return strings.Contains(log(), `"record":"start"`) })
	prefix, opens := openLongNames()
	if text, err := exec.Command("podman", "kill", "-s", "TERM", name).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, text)
	}
	wantWhole(t, c, prefix, opens)
	if !strings.Contains(log(), " stdout P ") {
		t.Error("podman has split no row")
	}
}
