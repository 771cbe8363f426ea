package trace

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/format"
	"opensnoop/internal/kernel"
	"opensnoop/internal/plan"
	"opensnoop/internal/probe"
	"opensnoop/internal/record"
)

// loadFolder asks this program to be the load, in that folder.
const loadFolder = "OPENSNOOP_LOAD"

// loadBegin and loadEnd are the first and the last name that the load opens.
const loadBegin, loadEnd = "/the beginning", "/the end"

func init() {
	if dir := os.Getenv(loadFolder); dir != "" {
		runLoad(dir)
		os.Exit(0)
	}
}

// runLoad opens files in all ways that a filter tells apart, once a line comes from stdin.
func runLoad(dir string) {
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	unix.Open(loadBegin, unix.O_RDONLY, 0)
	var wait sync.WaitGroup
	for i, user := range []int{0, 0, 1234, 65534} {
		wait.Add(1)
		go func() {
			defer wait.Done()
			runtime.LockOSThread() // and never unlocked: the thread ends with what it was made
			name := append([]byte([]string{"alpha", "beta", "a b\\c", "\xff\xfe"}[i]), 0)
			unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
			if user != 0 {
				syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), uintptr(user), ^uintptr(0)) // the effective one
			}
			if i == 3 {
				syscall.RawSyscall(syscall.SYS_SETRESUID, uintptr(user), ^uintptr(0), ^uintptr(0))
			}
			openAll(dir)
		}()
	}
	wait.Wait()
	unix.Open(loadEnd, unix.O_RDONLY, 0)
}

func openAll(dir string) {
	at, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		at = unix.AT_FDCWD
	}
	names := []string{
		"/etc/hostname", "/etc/./hostname", "//etc//hostname", "/etc/../etc/hostname", "/etc/none", "/etc", "/usr/lib/x.so", "/usr/lib/none/x.so",
		"/proc/self/status", "/proc/none", "/dev/null", "/", "", "none", "file", "./file", "folder/file", "folder/../file", "link", "x.so", "folder",
		"/usr/share/none", "/etcetera", "/e", "/x", filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "folder/file"), `/odd "\name`,
	}
	for _, name := range names {
		for _, flags := range []int{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR | unix.O_CLOEXEC, unix.O_RDONLY | unix.O_DIRECTORY} {
			if fd, err := unix.Openat(at, name, flags, 0); err == nil {
				unix.Close(fd)
			}
		}
	}
	unix.Openat2(at, "file", &unix.OpenHow{Flags: unix.O_RDONLY})
	unix.Openat2(at, "/file", &unix.OpenHow{Flags: unix.O_RDONLY, Resolve: unix.RESOLVE_IN_ROOT})
	for _, address := range []uintptr{0, 8, 1 << 46, ^uintptr(0)} {
		unix.Syscall6(unix.SYS_OPENAT, uintptr(at), address, 0, 0, 0, 0)
		unix.Syscall6(unix.SYS_OPENAT2, uintptr(at), uintptr(unsafe.Pointer(&[]byte("file\x00")[0])), address, 24, 0, 0)
	}
	// A name that is in no memory yet: of a file that was never read through this mapping.
	if fd, err := unix.Open(filepath.Join(dir, "names"), unix.O_RDONLY, 0); err == nil {
		if page, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE); err == nil {
			unix.Syscall6(unix.SYS_OPENAT, uintptr(at), uintptr(unsafe.Pointer(&page[0])), 0, 0, 0, 0)
			unix.Munmap(page)
		}
		unix.Close(fd)
	}
}

// startLoad starts the load, which waits until begin is called; that returns when it has ended.
func startLoad(t *testing.T, dir string) (pid uint32, begin func()) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), loadFolder+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return uint32(cmd.Process.Pid), func() {
		io.WriteString(stdin, "\n")
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// watch runs a session, and hands out its events, which stay valid, until it is stopped. That
// returns what was lost.
func watch(t *testing.T, s *Session, take func(event.Event)) (stop func() Losses) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan Losses, 1)
	go func() {
		lost, err := s.Run(ctx, Handler{
			Event: func(e *event.Event) error {
				take(keep(e))
				return nil
			},
			Flush: func() error { return nil }, Lost: func(Losses) {}, Silent: func(error) {},
			Ended: func(uint32) {}, NoneLeft: func() {},
		})
		if err != nil {
			t.Error(err)
		}
		done <- lost
	}()
	return sync.OnceValue(func() Losses { cancel(); return <-done })
}

// keep returns a copy of an event for later.
func keep(e *event.Event) event.Event {
	kept := *e
	kept.Name, kept.Comm, kept.Process = slices.Clone(e.Name), slices.Clone(e.Comm), slices.Clone(e.Process)
	kept.PComm, kept.Args = slices.Clone(e.PComm), slices.Clone(e.Args)
	kept.Ancestors = event.Ancestors{}
	for i := range e.Ancestors.Len() {
		kept.Ancestors.Add(e.Ancestors.At(i))
	}
	kept.Ancestors.Cut = e.Ancestors.Cut
	for _, p := range []*event.Place{&kept.Path, &kept.Exe, &kept.Real} {
		p.Known = slices.Clone(p.Known)
	}
	return kept
}

// randomFilter is one that the load has something for.
func randomFilter(t *testing.T, r *rand.Rand, pid uint32, dir string) (f filter.Filter) {
	values := map[string][]string{
		"pid": {"1", strconv.Itoa(int(pid)), strconv.Itoa(int(pid)) + ",1"}, "tid": {"1", strconv.Itoa(int(pid))},
		"uid": {"0", "0,1", "65534", "7"}, "euid": {"0", "1234", "65534,1234"},
		"name": {"a", "alpha", "beta", "trace", "\\", "\xff"}, "errno": {"ENOENT", "EACCES,EISDIR", "ENOTDIR", "EFAULT"},
		"flag-filter": {"O_WRONLY", "O_RDONLY", "O_DIRECTORY", "O_CLOEXEC,O_RDWR"},
		"path":        {"/etc/**", "*.so", "/usr/**", "file", "/e*", dir + "/*", "/**", "f*/file", "/etc/hostname"},
		"realpath":    {"/etc/**", dir + "/file", "/**/*.so"}, "exe": {"/**/trace.test", "/usr/**", "/**"},
		"under": {"exe", "trace.test,x", "xe"}, "slower": {"1ns", "1h"}, "gid": {"0", "0,7", "4321"}, "login": {"0", "1000,4294967295", "4294967295"},
		"container": {"none"}, "unit": {"none.service", "system.slice"},
	}
	for _, e := range filter.Table {
		pool := values[strings.TrimPrefix(e.Flag, "exclude-")]
		if e.Recorded() && e.Bool == nil && len(pool) == 0 {
			t.Fatalf("there are no values here for --%s", e.Flag)
		}
		if !e.Recorded() || r.IntN(5) > 0 {
			continue
		}
		if e.Bool != nil {
			*e.Bool(&f) = true
			continue
		}
		for range 1 + r.IntN(2) {
			if err := e.Value(&f).Set(pool[r.IntN(len(pool))]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return f
}

// row is what two events of one open have in common, whatever their records hold.
func row(e *event.Event) string { return fmt.Sprintf("%d/%d %d %q", e.TGID, e.TID, e.NameKind, e.Name) }

// What the BPF program and user space let through together are exactly the opens that the same
// filters choose of a recording.
func TestFiltersAgree(t *testing.T) {
	if err := kernel.RefusesBPF(); err != nil {
		if os.Getenv("OPENSNOOP_E2E") == "require" {
			t.Fatalf("BPF is not permitted here: %v", err)
		}
		t.Skipf("*** DID NOT RUN: BPF is not permitted here: %v", err)
	}
	rounds := 12
	if n, err := strconv.Atoi(os.Getenv("OPENSNOOP_FILTERS")); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	os.Chmod(dir, 0o755)
	os.Chmod(filepath.Dir(dir), 0o755)
	for name, text := range map[string]string{"file": "", "x.so": "", "names": "names-of-a-page\x00", "folder/file": ""} {
		os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	os.Symlink("folder/file", filepath.Join(dir, "link"))
	facts, err := kernel.CurrentFacts()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range probe.Probes {
		if p.Detect(facts) != nil {
			continue
		}
		if p.Name != os.Getenv("OPENSNOOP_PROBE") && os.Getenv("OPENSNOOP_PROBE") != "" {
			continue
		}
		t.Run(p.Name, func(t *testing.T) { filtersAgree(t, p, facts, dir, rounds) })
	}
}

func filtersAgree(t *testing.T, p *probe.Probe, facts *kernel.Facts, dir string, rounds int) {
	recorded := "tracepoint" // by which all fields can be had
	if p.Name == "kprobe" {
		recorded = p.Name
	}
	all, err := Open(t.Context(), Options{Options: plan.Options{
		Probe: recorded, Fields: event.AllFields &^ event.Depth,
		Filter: filter.Filter{Roots: []uint32{uint32(os.Getpid())}, Running: true}, // what others do might not fit into the buffers
	}, BufferPages: 2048})
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	var mu sync.Mutex
	recording := make(map[uint32][]event.Event) // by process
	ended := make(map[uint32]bool)
	stop := watch(t, all, func(e event.Event) {
		mu.Lock()
		defer mu.Unlock()
		recording[e.TGID] = append(recording[e.TGID], e)
		ended[e.TGID] = ended[e.TGID] || string(e.Name) == loadEnd
	})
	defer stop()
	r := rand.New(rand.NewPCG(7, uint64(len(p.Name))))
	tried, chosen := 0, 0
	for round := 0; round < rounds; round++ {
		pid, begin := startLoad(t, dir)
		f := randomFilter(t, r, pid, dir)
		opts := plan.Options{Probe: p.Name, Filter: f}
		if !isFor(opts, facts) {
			begin()
			continue
		}
		s, err := Open(t.Context(), Options{Options: opts})
		if err != nil {
			t.Fatalf("%+v: %v", f, err)
		}
		tried++
		got := make(map[string]int)
		stopFiltered := watch(t, s, func(e event.Event) {
			if e.TGID == pid {
				got[row(&e)]++
			}
		})
		defer stopFiltered() // before all are closed
		begin()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			mu.Lock()
			there := ended[pid]
			mu.Unlock()
			if there {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the recording has no end")
			}
		}
		lost := stopFiltered()
		s.Close()
		mu.Lock()
		begun := slices.IndexFunc(recording[pid], func(e event.Event) bool { return string(e.Name) == loadBegin })
		again := replayed(t, recording[pid][begun:])
		if round == 0 {
			verdictsAgree(t, r, pid, dir, recording[pid][begun:], again)
		}
		chosen += compareRows(t, &f, again, got, lost)
		delete(recording, pid)
		mu.Unlock()
	}
	if lost := stop(); lost.Total() > 0 {
		t.Errorf("the recording has lost %d opens", lost.Total())
	}
	if chosen == 0 && tried > 20 {
		t.Error("no filters have chosen anything")
	}
	t.Logf("%d sets of filters have chosen %d opens", tried, chosen)
}

// verdictsAgree holds 300 random filters of a recording to those of what was recorded.
func verdictsAgree(t *testing.T, r *rand.Rand, pid uint32, dir string, live, again []event.Event) {
	for range 300 {
		f := randomFilter(t, r, pid, dir)
		matcher := f.All()
		for i := range live {
			if got, want := matcher.Of(&again[i]), matcher.Of(&live[i]); got != want {
				t.Fatalf("%s: verdict %v of the recording, %v of the session, with %+v", row(&live[i]), got, want, f)
			}
		}
	}
}

// replayed returns events as a recording hands them out again.
func replayed(t *testing.T, events []event.Event) (again []event.Event) {
	t.Helper()
	var b bytes.Buffer
	stream := record.New(&b, "run")
	columns := slices.DeleteFunc(slices.Clone(format.Columns), func(c *format.Column) bool { return c.Name == "depth" })
	err := stream.Start(record.Start{Columns: strings.Split(format.Names(columns), ",")})
	w := format.NewJSON(&b, format.Options{Columns: columns, Boot: func() time.Time { return time.Unix(0, 0) }, Begin: stream.AppendSeq, Short: true})
	for i := range events {
		err = errors.Join(err, w.Event(&events[i]))
	}
	if err = errors.Join(err, w.Flush(), stream.End(record.Lost{})); err != nil {
		t.Fatal(err)
	}
	in, err := record.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var e event.Event
	for err = in.Next(&e); err == nil; err = in.Next(&e) {
		again = append(again, keep(&e))
	}
	if err != io.EOF || len(again) != len(events) {
		t.Fatalf("%d of %d events, %v", len(again), len(events), err)
	}
	return again
}

// compareRows compares the rows of a session with those that its filters choose of a recording, and
// returns how many these are.
func compareRows(t *testing.T, f *filter.Filter, recording []event.Event, got map[string]int, lost Losses) (chosen int) {
	t.Helper()
	want := make(map[string]int)
	matcher := f.All()
	for i := range recording {
		if v := matcher.Of(&recording[i]); v == filter.Show || v == filter.Unsure {
			want[row(&recording[i])]++
			chosen++
		}
	}
	differ := 0
	for key := range want {
		if got[key] != want[key] {
			if differ++; differ < 5 {
				t.Errorf("%s: %d rows of the session, %d of the recording", key, got[key], want[key])
			}
		}
	}
	for key := range got {
		if want[key] == 0 {
			if differ++; differ < 5 {
				t.Errorf("%s: %d rows of the session, none of the recording", key, got[key])
			}
		}
	}
	if differ > 0 || lost.Total() > 0 {
		t.Errorf("%d rows differ of %d chosen of %d, %d are lost, with %+v", differ, chosen, len(recording), lost.Total(), *f)
	}
	return chosen
}
