package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// soakWarm is how long a tracer's memory may grow, and soakGrowth by how much it may do so
	// after that, in KiB.
	soakWarm   = 30 * time.Second
	soakGrowth = 1024
)

// Everything at once, for as long as OPENSNOOP_SOAK says: a flood, calls that block, processes that
// live for a moment, and names of any bytes. All are shown or told as lost, and the tracer's memory
// and descriptors stay as they are.
func TestSoak(t *testing.T) {
	duration, err := time.ParseDuration(os.Getenv("OPENSNOOP_SOAK"))
	if err != nil {
		t.Skip("NOT TESTED: OPENSNOOP_SOAK names no duration; make soak does")
	}
	var rows, blockedRows, opens atomic.Int64
	fifo := makeFIFO(t, "")
	cmd := exec.Command(opensnoop, "-n", openerComm, "--columns", "comm,pid,file")
	var stderr lockedBuffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewReaderSize(stdout, 1<<20)
	if _, err := lines.ReadSlice('\n'); err != nil {
		t.Fatalf("no header: %v; stderr %q", err, stderr.String())
	}
	read := make(chan error, 1)
	go func() {
		for {
			line, err := lines.ReadSlice('\n')
			if err != nil {
				read <- err
				return
			}
			rows.Add(1)
			if bytes.HasSuffix(bytes.TrimRight(line, "\n"), []byte(fifo)) {
				blockedRows.Add(1)
			}
		}
	}()

	stop := make(chan struct{})
	var loads sync.WaitGroup
	again := func(load func() int) {
		loads.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					opens.Add(int64(load()))
				}
			}
		})
	}
	run := func(opens int, args ...string) int {
		if out, err := exec.Command(opener, args...).CombinedOutput(); err != nil {
			t.Errorf("opener %.40q: %v, %s", args, err, out)
		}
		return opens + 1 // and its end
	}
	again(func() int { return run(20_000, "flood", "20000", floodFile) })
	again(func() int { return run(1, "names", "/soak") })
	again(func() int {
		name := make([]byte, 1+rand.IntN(4094))
		for i := range name {
			name[i] = byte(1 + rand.IntN(255))
		}
		return run(1, "names", "/"+string(name[:len(name)-1]))
	})
	const herd = 50
	var herds int64
	again(func() int {
		blocked := prepare(t, "blocked", strconv.Itoa(herd), fifo)
		blocked.begin()
		herds++
		for end := time.Now().Add(patience); blockedRows.Load() < herds*herd; time.Sleep(pollTime) {
			if time.Now().After(end) {
				t.Errorf("%d rows of blocked opens, want %d", blockedRows.Load(), herds*herd)
				break
			}
		}
		blocked.cmd.Process.Kill()
		blocked.stdin.Close()
		blocked.cmd.Wait()
		return herd
	})

	proc := filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid))
	began := time.Now()
	var memory, most, descriptors int
	for time.Since(began) < duration {
		time.Sleep(time.Second)
		kib, fds := resident(t, proc), entriesOf(t, filepath.Join(proc, "fd"))
		if time.Since(began) < min(soakWarm, duration/2) {
			memory, descriptors = max(memory, kib), max(descriptors, fds)
		}
		most = max(most, kib)
		if fds > descriptors {
			t.Fatalf("%d descriptors, %d before", fds, descriptors)
		}
	}
	close(stop)
	loads.Wait()
	if err := cmd.Process.Signal(interrupt); err != nil {
		t.Fatal(err)
	}
	<-read
	if status := wait(t, cmd); status != 0 {
		t.Fatalf("status %d, stderr %q", status, stderr.String())
	}
	lost := lost(t, stderr.String())
	t.Logf("%v: %d opens, %d rows, %d lost; %d KiB in the first part, at most %d; %d descriptors",
		duration, opens.Load(), rows.Load(), lost, memory, most, descriptors)
	if rows.Load()+int64(lost) != opens.Load() {
		t.Errorf("%d rows and %d lost are not %d opens; stderr %q", rows.Load(), lost, opens.Load(), stderr.String())
	}
	if most > memory+soakGrowth {
		t.Errorf("its memory has grown from %d to %d KiB", memory, most)
	}
}

// resident is what a process has in memory, in KiB.
func resident(t *testing.T, proc string) (kib int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	if _, err := fmt.Sscan(after, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

// entriesOf is how many entries a folder has.
func entriesOf(t *testing.T, folder string) int {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
