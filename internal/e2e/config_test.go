package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A file of flags is loaded anew at SIGHUP while opens go on: each of them is a row of the run
// before or of the one after. At most one on each CPU may be in both.
func TestReload(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		const opens = 300_000
		config := filepath.Join(t.TempDir(), "flags")
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		hangUp := func(tr *tracer, flags, told string) {
			t.Helper()
			before := strings.Count(tr.stderr.String(), told)
			write(flags)
			if err := tr.cmd.Process.Signal(unix.SIGHUP); err != nil {
				t.Fatal(err)
			}
			eventually(t, told, func() bool { return strings.Count(tr.stderr.String(), told) > before })
		}
		base := "output json\nstream\nname " + openerComm + "\n"
		write(base + "columns fd,err\n")
		path := filepath.Join(t.TempDir(), "rows")
		tr := startBare(t, probe, "--config", config, "-w", path)
		flood := exec.Command(opener, "flood", fmt.Sprint(opens), floodFile)
		if err := flood.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { flood.Process.Kill(); flood.Wait() })
		rows := func() int {
			text, _ := os.ReadFile(path)
			return bytes.Count(text, []byte(`{"seq":`))
		}
		eventually(t, "the first rows", func() bool { return rows() > 0 })
		hangUp(tr, base+"columns ppid,path,err\n", "was loaded anew")
		hangUp(tr, base+"colums ppid\n", `line 4: unknown flag "colums"; did you mean --columns?`)
		hangUp(tr, "output table\n", "--output cannot change while it runs")
		hangUp(tr, base, "was loaded anew")
		if status := wait(t, flood); status != 0 {
			t.Fatalf("the flood ended with status %d", status)
		}
		tr.stop(interrupt)

		var got, certain, doubtful uint64
		var began, ended []string
		var each []uint64 // rows
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for text := range strings.Lines(string(text)) {
			var line streamLine
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			switch {
			case line.Seq != nil:
				got++
				each[len(each)-1]++
			case line.Record == "start":
				began = append(began, line.Run)
				each = append(each, 0)
			case line.Record == "end":
				ended = append(ended, line.Run)
				certain += sum(line.Lost)
				doubtful += line.Doubtful
			}
		}
		if len(began) != 3 || strings.Join(began, " ") != strings.Join(ended, " ") || began[0] == began[1] || each[1] == 0 {
			t.Errorf("runs began %v, ended %v, with %v rows", began, ended, each)
		}
		// The opener opens one more, to end.
		twice := uint64(2 * runtime.NumCPU())
		if all := got + certain; all > opens+1+twice || all+doubtful < opens+1 {
			t.Errorf("%d rows, %d lost and up to %d more of %d opens", got, certain, doubtful, opens)
		}
		t.Logf("%d rows, %d lost of %d opens in runs of %v rows", got, certain, opens, each)
	})
}

// What cannot be handed over is told, and it goes on.
func TestReloadRefused(t *testing.T) {
	config := filepath.Join(t.TempDir(), "flags")
	if err := os.WriteFile(config, []byte("follow"), 0o600); err != nil {
		t.Fatal(err)
	}
	herd := prepare(t, "names", "/tmp/after-hangup")
	tr := startBare(t, "--config", config, "-p", herd.arg())
	if err := tr.cmd.Process.Signal(unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "why not", func() bool {
		return strings.Contains(tr.stderr.String(), "going on as before") && strings.Contains(tr.stderr.String(), "restart opensnoop")
	})
	herd.begin()
	wantFiles(t, tr.rowsOf(herd.pid()), "/tmp/after-hangup")
}
