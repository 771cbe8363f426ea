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
	"time"

	"golang.org/x/sys/unix"
)

// A file of flags is loaded anew at SIGHUP while opens go on: each of them is a row of the run
// before or of the one after. At most one on each CPU may be in both.
func TestReload(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		const each, pace = 200, 50 * time.Millisecond // a flood that never pauses makes millions of rows in a guest
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
		enough, flooded := make(chan struct{}), make(chan uint64)
		go func() {
			for opens := uint64(0); ; opens += each + 1 { // the opener opens one more, to end
				select {
				case <-enough:
					flooded <- opens
					return
				case <-time.After(pace):
				}
				if err := exec.Command(opener, "flood", fmt.Sprint(each), floodFile).Run(); err != nil {
					t.Errorf("the flood: %v", err)
				}
			}
		}()
		rows := func() int {
			text, _ := os.ReadFile(path)
			return bytes.Count(text, []byte(`{"seq":`))
		}
		eventually(t, "the first rows", func() bool { return rows() > 0 })
		hangUp(tr, base+"columns ppid,path,err\n", "was loaded anew")
		hangUp(tr, base+"colums ppid\n", `line 4: unknown flag "colums"; did you mean --columns?`)
		hangUp(tr, "output table\n", "--output cannot change while it runs")
		hangUp(tr, base, "was loaded anew")
		eventually(t, "a row of the last run", func() bool {
			text, _ := os.ReadFile(path)
			return bytes.Count(text, []byte(`"record":"start"`)) == 3 && bytes.HasSuffix(text, []byte("\n")) && !bytes.HasSuffix(bytes.TrimSpace(text), []byte(`"doubtful":0}`))
		})
		close(enough)
		opens := <-flooded
		tr.stop(interrupt)

		var got, certain, doubtful uint64
		var began, ended []string
		var rowsOf []uint64
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
				rowsOf[len(rowsOf)-1]++
			case line.Record == "start":
				began = append(began, line.Run)
				rowsOf = append(rowsOf, 0)
			case line.Record == "end":
				ended = append(ended, line.Run)
				certain += sum(line.Lost)
				doubtful += line.Doubtful
			}
		}
		if len(began) != 3 || strings.Join(began, " ") != strings.Join(ended, " ") || began[0] == began[1] || rowsOf[1] == 0 {
			t.Errorf("runs began %v, ended %v, with %v rows", began, ended, rowsOf)
		}
		twice := uint64(2 * runtime.NumCPU())
		if all := got + certain; all > opens+twice || all+doubtful < opens {
			t.Errorf("%d rows, %d lost and up to %d more of %d opens", got, certain, doubtful, opens)
		}
		t.Logf("%d rows, %d lost of %d opens in runs of %v rows", got, certain, opens, rowsOf)
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
