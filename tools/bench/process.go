package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is a tool that runs, with stderr in a file.
type process struct {
	cmd     *exec.Cmd
	started time.Time
	stderr  string        // path
	limit   time.Duration // for its end after Ctrl-C
	ended   chan struct{}
}

// startProcess starts a command. It is called on the main thread, for the mounts.
func (b *bench) startProcess(command []string, stdout *os.File) (*process, error) {
	p := &process{stderr: filepath.Join(b.dir, "stderr"), limit: b.patience, ended: make(chan struct{})}
	stderr, err := os.Create(p.stderr)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	p.cmd = exec.CommandContext(b.ctx, command[0], command[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = stdout, stderr
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stop ends the tool as Ctrl-C does, and waits until it has ended. Python loses a
// Ctrl-C that comes while one of bcc's callbacks runs: one follows each second.
func (p *process) stop() error {
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for limit := time.After(p.limit); ; {
		p.cmd.Process.Signal(unix.SIGINT)
		select {
		case <-p.ended:
			return nil
		case <-again.C:
		case <-limit:
			p.kill()
			return fmt.Errorf("it had not ended %v after Ctrl-C", p.limit)
		}
	}
}

// kill ends the tool if it has not ended.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// await calls probe again and again until done, for so long as the tool runs and
// patience lasts.
func (p *process) await(ctx context.Context, patience, pause time.Duration, probe func() error, done func() bool) error {
	for deadline := time.Now().Add(patience); !done(); {
		select {
		case <-p.ended:
			return errEnded
		case <-ctx.Done():
			return context.Cause(ctx)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no row came within %v", patience)
		}
		if err := probe(); err != nil {
			return err
		}
		time.Sleep(pause)
	}
	return nil
}

// errEnded is for a tool that ended by itself.
var errEnded = errors.New("it ended by itself")

// cpu returns the CPU time that the tool has used, user and system, of all its
// threads: its process clock (clock_getcpuclockid(3)).
func (p *process) cpu() (time.Duration, error) {
	const cpuClock = 2 // CPUCLOCK_SCHED in include/linux/posix-timers.h
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|cpuClock), &t); err != nil {
		return 0, fmt.Errorf("reading its CPU time: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

// rest waits until the tool has worked off what it has: until it uses less than a
// twentieth of a CPU. Patience is for how long.
func (p *process) rest(ctx context.Context, patience time.Duration) error {
	const look = 100 * time.Millisecond
	before, err := p.cpu()
	for deadline := time.Now().Add(patience); err == nil; {
		time.Sleep(look)
		var after time.Duration
		if after, err = p.cpu(); after-before < look/20 {
			break
		}
		before = after
		if time.Now().After(deadline) {
			return fmt.Errorf("it was still at work %v after the load", patience)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return err
}

// memory returns the tool's resident memory now and at its peak, in MB (10^6 bytes).
func (p *process) memory() (now, peak float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, fmt.Errorf("reading its memory: %w", err)
	}
	return parseMemory(string(text))
}

// parseMemory reads the sizes in a /proc/PID/status, whose kB are 1,024 bytes.
func parseMemory(status string) (now, peak float64, err error) {
	for line := range strings.Lines(status) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
			now = kb * 1024 / 1e6
		}
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kb); n == 1 {
			peak = kb * 1024 / 1e6
		}
	}
	if now == 0 || peak == 0 {
		return 0, 0, fmt.Errorf("its status tells no memory: it has ended")
	}
	return now, peak, nil
}

// reason adds to an error what the tool said.
func (p *process) reason(err error, stdout []byte) error {
	stderr, _ := os.ReadFile(p.stderr)
	if said := complaint(stdout, stderr); said != "" && errors.Is(err, errEnded) {
		return errors.New(said)
	} else if said != "" {
		return fmt.Errorf("%w; it said: %s", err, said)
	}
	return err
}

var complaintPattern = regexp.MustCompile(`(?i)\b(unable|cannot|can't|could not|couldn't|failed|error|unknown|no such|denied|not permitted)\b`)

// complaint returns the first line of a tool's outputs that says what is wrong,
// or else their last.
func complaint(outputs ...[]byte) string {
	last := ""
	for _, output := range outputs {
		for line := range bytes.Lines(output) {
			line := string(bytes.TrimSpace(line))
			if complaintPattern.MatchString(line) {
				return line
			}
			if line != "" {
				last = line
			}
		}
	}
	return last
}
