package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// watcher is a tracer of attackers, whose rows are judged as they come.
type watcher struct {
	s      *siege
	cmd    *exec.Cmd
	stderr *lockedBuffer
	slow   bool // it is read slowly, now and then
	rows   atomic.Int64
	wrong  map[string]int // rows, by attacker
	most   atomic.Int64   // of its memory, in KiB
	done   chan struct{}  // closed when there are no more rows
}

// watch starts a tracer with these flags, and returns once it traces.
func (s *siege) watch(flags []string, slow bool) *watcher {
	t := s.t
	t.Helper()
	args := append([]string{"-v", "-o", "json", "-n", hostilePrefix}, flags...)
	w := &watcher{s: s, cmd: exec.Command(opensnoop, args...), stderr: &lockedBuffer{}, slow: slow, wrong: make(map[string]int), done: make(chan struct{})}
	w.cmd.Stderr = w.stderr
	stdout, err := w.cmd.StdoutPipe()
	mustDo(t, err)
	mustDo(t, w.cmd.Start())
	t.Cleanup(func() { w.cmd.Process.Kill(); w.cmd.Wait() })
	go w.read(bufio.NewReaderSize(stdout, 1<<20))
	awaitStart(t, w.cmd, w.stderr, func() bool { return strings.Contains(w.stderr.String(), "using buffers of") })
	go w.weigh()
	return w
}

// read judges all rows.
func (w *watcher) read(in *bufio.Reader) {
	defer close(w.done)
	pause := time.Now()
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		w.rows.Add(1)
		if why := w.s.judge(line); why != "" {
			kind, _, _ := strings.Cut(why, ":")
			if w.wrong[kind]++; w.wrong[kind] <= 3 {
				w.s.t.Errorf("%q: %s: %.2000s", w.cmd.Args, why, line)
			}
		}
		if w.slow && time.Now().After(pause) {
			rest := time.Duration(w.s.pauses.Int64N(int64(time.Second)))
			time.Sleep(rest)
			pause = time.Now().Add(10 * rest)
		}
	}
}

// weigh notes how much memory it takes, until it has ended.
func (w *watcher) weigh() {
	proc := fmt.Sprintf("/proc/%d", w.cmd.Process.Pid)
	for ; ; time.Sleep(100 * time.Millisecond) {
		kib, err := resident(proc)
		if err != nil {
			return
		}
		w.most.Store(max(w.most.Load(), int64(kib)))
	}
}

// resident is what a process has in memory, in KiB.
func resident(proc string) (kib int, err error) {
	text, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	_, err = fmt.Sscan(after, &kib)
	return kib, err
}

// end ends the tracer, and looks at how it did.
func (w *watcher) end(opens int, flags siegeFlags) {
	t := w.s.t
	t.Helper()
	if hasEnded(w.cmd.Process.Pid) {
		w.cmd.Wait()
		t.Fatalf("%q has ended: %v, stderr %q", w.cmd.Args, w.cmd.ProcessState, w.stderr)
	}
	if descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.cmd.Process.Pid)); err != nil || len(descriptors) > 200 {
		t.Errorf("%q has %d descriptors, %v", w.cmd.Args, len(descriptors), err)
	}
	mustDo(t, w.cmd.Process.Signal(interrupt))
	<-w.done
	if status := wait(t, w.cmd); status != 0 {
		t.Fatalf("%q ended with status %d, stderr %q", w.cmd.Args, status, w.stderr)
	}
	if len(w.wrong) > 0 {
		t.Errorf("%q: so many rows are wrong: %v", w.cmd.Args, w.wrong)
	}
	if most := w.most.Load(); most > hostileMemory {
		t.Errorf("%q had %d KiB in memory", w.cmd.Args, most)
	}
	if flags.exact {
		wantCounted(t, int(w.rows.Load()), opens, w.stderr.String())
	}
}
