package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"opensnoop/tools/guest"
)

// Instructions are counted in a guest whose clock counts them: a ns of it is one. Only what the
// load's own thread executes counts, in the kernel and in the programs there; the tracer, and the
// pauses in which it runs, do not.

const (
	// A burst is followed by a pause, so that no buffer is full.
	burstOpens = 100
	bursts     = 15
	burstPause = 50 * time.Millisecond

	// toleratedRise is how far a figure of ours may be above the recorded one, or else by
	// toleratedNoise. Of one program, seven boots of 6.1 counted up to 63 above the median,
	// which is recorded; 6.12 and 7.3 vary less.
	toleratedRise  = 1.03
	toleratedNoise = 70

	// instructionTime is by a clock that runs ahead whenever the guest waits for its files: on a busy
	// machine a minute of it may pass before a tool's end is seen.
	instructionTime = 10000 * time.Hour
)

// counted is what one set-up executes beside what is executed without it.
type counted struct {
	Name string  `json:"name"`
	Ours bool    `json:"ours"`
	Open float64 `json:"open"` // in an open and a close
	Call float64 `json:"call"` // in a call that is no open
	Fork float64 `json:"fork"` // in a fork, by the parent
	Why  string  `json:"why,omitempty"`
}

// instructionReport is what is measured with a kernel.
type instructionReport struct {
	Kernel string    `json:"kernel"`
	Bare   counted   `json:"bare"`
	Setups []counted `json:"setups"`
}

// setup is what is measured; its load may be elsewhere.
type setup struct {
	tool
	ours   bool
	folder string // that the load goes to
	file   string // that it opens,
	stats  bool   // or looks for
}

// what is what the load is told to do.
func (s *setup) what() string {
	if s.stats {
		return "stats"
	}
	return "opens"
}

// ofStat ends the names of set-ups of which a stat is measured, and not an open.
const ofStat = ", a stat"

// emptyKprobe hooks the kernel's open at its entry.
func emptyKprobe() (io.Closer, error) {
	return attachAll(ebpf.ProgramSpec{Type: ebpf.Kprobe}, func(p *ebpf.Program) (link.Link, error) { return link.Kprobe("do_sys_openat2", p, nil) })
}

// setups are all there are. Deep is a folder seven below the root.
func setups(opensnoop, deep string, probe int) []setup {
	with := func(name string, args ...string) setup {
		t := ours(opensnoop)
		t.name = name
		t.command = append(t.command, args...)
		return setup{tool: t, ours: true, file: floodName}
	}
	relative := with("path, a relative name 7 deep", "--columns", "pid,path,file")
	relative.folder, relative.file = deep, deepName
	pid := strconv.Itoa(probe)
	var all []setup
	for _, probe := range []string{"kprobe", "fentry", "session", "tracepoint"} {
		by := func(name string, args ...string) setup {
			return with(probe+": "+name, append([]string{"--probe", probe}, args...)...)
		}
		if probe != "session" { // which is for results
			all = append(all, by("default"), by("-p of another", "-p", pid))
		}
		all = append(all,
			by("fd,err", "--columns", "pid,fd,err,file"),
			by("-p of another, fd,err", "-p", pid, "--columns", "pid,fd,err,file"),
			by("fd,err,took", "--columns", "pid,fd,err,took,file"))
		if probe == "tracepoint" { // all lookups are seen by it
			lookups := by("fd,err"+ofStat, "--lookups", "--columns", "pid,fd,err,file")
			lookups.stats = true
			all = append(all, lookups)
		}
	}
	all = append(all,
		with("auto: fd,err", "--columns", "pid,fd,err,file"),
		with("path, an absolute name", "--columns", "pid,path,file"),
		relative,
		with("following another", "-p", pid, "--follow"))
	for _, t := range []tool{
		libbpfTools, bpftrace, bccTools,
		{name: "an empty kprobe", attach: emptyKprobe},
		{name: "an empty kprobe and kretprobe", attach: attachEmptyKprobes},
		{name: "an empty fentry", attach: attachEmptyTrampoline(ebpf.AttachTraceFEntry)},
		{name: "an empty fexit", attach: attachEmptyTrampoline(ebpf.AttachTraceFExit)},
		{name: "empty raw tracepoints", attach: attachEmptySyscalls},
	} {
		all = append(all, setup{tool: t, file: floodName})
	}
	return all
}

// countInGuests counts with each kernel, writes a table, and compares it with what is recorded in a
// file, or records it there. What is above that is counted again in another boot, and the lower figure
// is taken: boots of one kernel differ.
func countInGuests(ctx context.Context, o options) error {
	recorded, err := readRecorded(o.record)
	if err != nil {
		return err
	}
	var reports []instructionReport
	for _, kernel := range strings.Split(o.kernel, ",") {
		r, err := countInGuest(ctx, o, kernel, o.rows)
		if err != nil {
			return err
		}
		if rows := r.rises(recorded); len(rows) > 0 && !o.accept {
			again, err := countInGuest(ctx, o, kernel, "^("+strings.Join(rows, "|")+")$")
			if err != nil {
				return err
			}
			r.lower(again)
		}
		reports = append(reports, r)
	}
	if err := writeInstructions(os.Stdout, reports); err != nil {
		return err
	}
	if o.record != "" {
		return compareInstructions(o.record, recorded, reports, o.accept)
	}
	return nil
}

// countInGuest counts with one kernel for the rows whose names match a regexp.
func countInGuest(ctx context.Context, o options, kernel, rows string) (r instructionReport, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	var out bytes.Buffer
	status, err := guest.Run(ctx, guest.Config{
		Kernel:       kernel,
		Command:      []string{self, "-in-guest", "-instructions", fmt.Sprintf("-ours=%v", o.ours), "-rows", rows, "-headers", filepath.Join(o.headers, filepath.Base(kernel))},
		Env:          []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TMPDIR=/dev/shm"},
		Stdout:       io.MultiWriter(&out, os.Stderr),
		Timeout:      guestLimit,
		Instructions: true,
	})
	if err != nil {
		return r, err
	}
	i := bytes.LastIndex(out.Bytes(), []byte("\n{"))
	if status != 0 || i < 0 || json.Unmarshal(out.Bytes()[i+1:], &r) != nil {
		return r, fmt.Errorf("counting with the kernel in %s ended with status %d", kernel, status)
	}
	return r, nil
}

// writeInstructions writes a table of all kernels.
func writeInstructions(w io.Writer, reports []instructionReport) error {
	var b bytes.Buffer
	b.WriteString("| instructions above the bare ones |")
	for _, r := range reports {
		fmt.Fprintf(&b, " open, %s | ÷ libbpf-tools' | getppid | fork |", r.Kernel)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|---:|---:|---:|", len(reports)) + "\n| (bare) |")
	for _, r := range reports {
		fmt.Fprintf(&b, " %.0f | | %.0f | %.0f |", r.Bare.Open, r.Bare.Call, r.Bare.Fork)
	}
	b.WriteString("\n")
	for i := range reports[0].Setups {
		fmt.Fprintf(&b, "| %s |", reports[0].Setups[i].Name)
		for _, r := range reports {
			s := r.Setups[i]
			if s.Why != "" {
				b.WriteString(" – | – | – | – |")
				continue
			}
			fmt.Fprintf(&b, " %.0f | %s | %.0f | %.0f |", s.Open, r.ratio(s), s.Call, s.Fork)
		}
		b.WriteString("\n")
	}
	for _, r := range reports {
		for _, s := range r.Setups {
			if s.Why != "" {
				fmt.Fprintf(&b, "\n- %s with Linux %s was not measured: %.200s", s.Name, r.Kernel, s.Why)
			}
		}
	}
	_, err := w.Write(append(b.Bytes(), '\n'))
	return err
}

// ratio is a set-up's instructions in an open ÷ libbpf-tools'.
func (r *instructionReport) ratio(s counted) string {
	i := slices.IndexFunc(r.Setups, func(s counted) bool { return s.Name == libbpfTools.name })
	if i < 0 || r.Setups[i].Open <= 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", s.Open/r.Setups[i].Open)
}

// countHere counts in the guest that this is.
func countHere(ctx context.Context, o options) error {
	rows, err := regexp.Compile(o.rows)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "opensnoop-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	beside := filepath.Dir(self)
	b := &bench{
		plan:     plan{patience: instructionTime, pause: burstPause},
		ctx:      ctx,
		loadPath: filepath.Join(beside, "load"),
		dir:      dir,
	}
	if err := os.WriteFile("/proc/sys/kernel/randomize_va_space", []byte("0"), 0); err != nil {
		return err
	}
	opensnoop := filepath.Join(beside, "opensnoop")
	readLibraries(opensnoop)
	deep, err := b.deepFolder()
	if err != nil {
		return err
	}
	c, err := b.newCrew(1)
	if err != nil {
		return err
	}
	defer c.close()
	r := instructionReport{Kernel: thisMachine().Kernel}
	bareOpen, err := countBursts(c.flood[0], "opens", floodName)
	if err != nil {
		return err
	}
	bareCall, err := countBursts(c.flood[0], "calls", "")
	if err != nil {
		return err
	}
	bareFork, err := countBursts(c.flood[0], "forks", "")
	if err != nil {
		return err
	}
	r.Bare = counted{Name: "bare", Open: bareOpen, Call: bareCall, Fork: bareFork}
	for _, s := range setups(opensnoop, deep, c.probe.pid()) {
		if o.ours && !s.ours || !rows.MatchString(s.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: Linux %s: %s\n", r.Kernel, s.name)
		n, err := b.count(&s, c.probe, r.Bare)
		n.Name, n.Ours = s.name, s.ours
		if err != nil {
			n.Why = err.Error()
		}
		r.Setups = append(r.Setups, n)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// count counts what a set-up adds to an open of its file, to a call and to a fork.
func (b *bench) count(s *setup, probe *load, without counted) (n counted, err error) {
	l, err := startLoad(b.ctx, b.loadPath)
	if err != nil {
		return n, err
	}
	defer l.close()
	if s.folder != "" {
		if err := l.chdir(s.folder); err != nil {
			return n, err
		}
	}
	bare, err := countBursts(l, s.what(), s.file)
	if err != nil {
		return n, err
	}
	r, err := b.start(&s.tool, s.command, &crew{probe: probe}, nil)
	if err != nil {
		return n, err
	}
	defer r.abandon()
	if n.Open, err = countBursts(l, s.what(), s.file); err != nil {
		return n, err
	}
	if n.Call, err = countBursts(l, "calls", ""); err != nil {
		return n, err
	}
	if n.Fork, err = countBursts(l, "forks", ""); err != nil {
		return n, err
	}
	n.Open -= bare
	n.Call -= without.Call
	n.Fork -= without.Fork
	return n, r.stop()
}

// countBursts lets a load do something in bursts, and returns the median of how many instructions
// each takes.
func countBursts(l *load, what, name string) (float64, error) {
	var all []float64
	for range bursts {
		if err := l.begin("%s %d %s", what, burstOpens, name); err != nil {
			return 0, err
		}
		w, err := l.result()
		if err != nil {
			return 0, err
		}
		all = append(all, w.each())
		time.Sleep(burstPause)
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// readLibraries has all in memory that programs read when they start: the clock runs ahead while the
// guest waits for a file, and what has a limit of time would not end in it.
func readLibraries(programs ...string) {
	out, _ := exec.Command("ldd", append(programs, "/usr/lib/x86_64-linux-gnu/libbcc.so.0", "/usr/sbin/opensnoop", "/usr/bin/bpftrace")...).Output()
	paths := regexp.MustCompile(`/\S+`).FindAllString(string(out), -1)
	for _, path := range append(paths, programs...) {
		if file, err := os.Open(strings.TrimSuffix(path, ":")); err == nil {
			_, _ = io.Copy(io.Discard, file)
			file.Close()
		}
	}
}
