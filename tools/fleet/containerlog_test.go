package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
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
			long := "/nowhere/" + strings.Repeat("x/", 2040)
			const opens = 200
			for i := range opens {
				exec.Command(opener, "names", long+strconv.Itoa(i)).Run()
			}
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
			eventually(t, "the end record", func() bool { return c.arrived(t).ended })
			a, whole := c.arrived(t), 0
			for _, row := range a.records {
				if regexp.MustCompile(`^` + long + `\d+$`).MatchString(row["opensnoop.file"]) {
					whole++
				}
			}
			if whole != opens || a.last != len(a.rows) {
				t.Errorf("%d rows are whole, %d of %d have arrived", whole, len(a.rows), a.last)
			}
		})
	}
}
