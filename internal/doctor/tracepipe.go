package doctor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// What BPF programs print with bpf_trace_printk is read without taking it from others.
//
// All of it goes to one trace buffer of the kernel, and whoever reads a line from
// its trace_pipe takes it from all other readers. Since Linux 5.9 what is printed
// is a trace event (commit ac5a72ea5c89), which an instance of tracefs gets too: a
// buffer with a trace_pipe of its own, which [openTracePipe] makes and [tracePipe.Close]
// removes. On older kernels the lines are looked for in the file trace, reading
// which takes nothing away.

// places are where tracefs may be mounted.
var places = []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}

// printkEvent is bpf_trace_printk's as a trace event, in tracefs or an instance.
const printkEvent = "events/bpf_trace/bpf_trace_printk"

// instancePrefix begins the names of our instances, and setEvents is what the file set_event
// of each has, once its trace_pipe is open.
const (
	instancePrefix = "opensnoop-doctor-"
	setEvents      = "bpf_trace:bpf_trace_printk\n"
)

// pollTime is how often new lines are looked for.
const pollTime = 5 * time.Millisecond

// tracePipe reads the lines that BPF programs print from [openTracePipe] on. It is not safe for
// concurrent use.
type tracePipe struct {
	root     string // a path of tracefs
	mount    int    // of a tracefs that is mounted nowhere, else -1
	instance string // path of our instance, "" without
	pipe     int    // its trace_pipe, else -1

	// Loading a program that prints turns the event on for all, and nothing turns
	// it off again.
	wasOff bool
	newest ebpf.ProgramID // of all programs at Open
}

// openTracePipe begins to read. Where tracefs is not mounted it uses one that has no name
// in the file system and goes with the process, for which it needs Linux 5.2 and
// CAP_SYS_ADMIN.
func openTracePipe() (_ *tracePipe, err error) {
	p := &tracePipe{mount: -1, pipe: -1}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	if err := p.findTracefs(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(p.root, printkEvent)); err != nil {
		return p, nil
	}
	p.newest = newestProgram()
	state, err := os.ReadFile(filepath.Join(p.root, printkEvent, "enable"))
	if err != nil {
		return nil, fmt.Errorf("reading tracefs: %w", err)
	}
	p.wasOff = strings.TrimSpace(string(state)) == "0"
	if err := p.makeInstance(); err != nil {
		return nil, fmt.Errorf("making an instance of tracefs: %w", err)
	}
	return p, nil
}

func (p *tracePipe) findTracefs() error {
	for _, place := range places {
		_, err := os.Stat(filepath.Join(place, "trace_pipe"))
		switch {
		case err == nil:
			p.root = place
			return nil
		case errors.Is(err, os.ErrPermission):
			return fmt.Errorf("tracefs is for root only: %w", err)
		}
	}
	fd, err := detachedTracefs()
	if err != nil {
		return fmt.Errorf("tracefs is not mounted, and cannot be used without (%w): mount -t tracefs tracefs %s", err, places[0])
	}
	p.mount = fd
	p.root = fmt.Sprintf("/proc/self/fd/%d", fd)
	return nil
}

// detachedTracefs returns a descriptor of a mount of tracefs that is nowhere.
func detachedTracefs() (int, error) {
	fsfd, err := unix.Fsopen("tracefs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen: %w", err)
	}
	defer unix.Close(fsfd)
	if err := unix.FsconfigCreate(fsfd); err != nil {
		return -1, fmt.Errorf("fsconfig: %w", err)
	}
	fd, err := unix.Fsmount(fsfd, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsmount: %w", err)
	}
	return fd, nil
}

// makeInstance makes an instance that gets the event. The kernel removes it only
// by rmdir, which fails while its trace_pipe is open: so each of us can remove
// those of others that were killed. An instance with other events is somebody else's.
func (p *tracePipe) makeInstance() error {
	stale, _ := filepath.Glob(filepath.Join(p.root, "instances", instancePrefix+"*"))
	for _, path := range stale {
		if events, err := os.ReadFile(filepath.Join(path, "set_event")); err == nil && string(events) == setEvents {
			unix.Rmdir(path)
		}
	}
	path, err := os.MkdirTemp(filepath.Join(p.root, "instances"), instancePrefix)
	if err != nil {
		return err
	}
	p.instance = path
	if p.pipe, err = unix.Open(filepath.Join(path, "trace_pipe"), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("opening trace_pipe: %w", err)
	}
	return os.WriteFile(filepath.Join(path, printkEvent, "enable"), []byte("1"), 0)
}

// Source says what the lines are read from.
func (p *tracePipe) Source() string {
	if p.instance != "" {
		return "trace_pipe of an instance of tracefs"
	}
	return "the file trace of tracefs, which others read too"
}

// Find waits for a line with the given text in its message, until the deadline.
func (p *tracePipe) Find(text string, deadline time.Time) (raw string, line traceLine, err error) {
	var unread []byte
	for {
		if p.instance == "" {
			unread, err = os.ReadFile(filepath.Join(p.root, "trace"))
		} else {
			unread, err = p.drain(unread)
		}
		if err != nil {
			return "", traceLine{}, fmt.Errorf("reading %s: %w", p.Source(), err)
		}
		for {
			head, tail, whole := bytes.Cut(unread, []byte("\n"))
			if !whole {
				break
			}
			unread = tail
			if !bytes.Contains(head, []byte(text)) {
				continue
			}
			line, err := parseTraceLine(string(head))
			return string(head), line, err
		}
		if time.Now().After(deadline) {
			return "", traceLine{}, fmt.Errorf("reading %s: %w: no line with %q came", p.Source(), os.ErrDeadlineExceeded, text)
		}
		time.Sleep(pollTime)
	}
}

// drain appends what trace_pipe holds.
func (p *tracePipe) drain(to []byte) ([]byte, error) {
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(p.pipe, buf)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN, err == nil && n == 0:
			return to, nil
		case err != nil:
			return to, err
		default:
			to = append(to, buf[:n]...)
		}
	}
}

// Close removes the instance and leaves tracefs as it was found. Own are the
// programs that the caller has loaded meanwhile, and has freed. The event is
// turned off again if it was off and nobody else has loaded a program since,
// which could need it.
func (p *tracePipe) Close(own ...ebpf.ProgramID) error {
	var errs []error
	if p.pipe >= 0 {
		errs = append(errs, unix.Close(p.pipe))
	}
	if p.instance != "" {
		errs = append(errs, unix.Rmdir(p.instance))
	}
	if p.wasOff && !p.othersLoaded(own) {
		errs = append(errs, os.WriteFile(filepath.Join(p.root, printkEvent, "enable"), []byte("0"), 0))
	}
	if p.mount >= 0 {
		errs = append(errs, unix.Close(p.mount))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("leaving tracefs: %w", err)
	}
	return nil
}

// newestProgram returns the greatest id of a BPF program; ids grow.
func newestProgram() (newest ebpf.ProgramID) {
	for {
		next, err := ebpf.ProgramGetNextID(newest)
		if err != nil {
			return newest
		}
		newest = next
	}
}

// othersLoaded tells whether there is a program newer than openTracePipe that is not one
// of own, or that cannot be told.
func (p *tracePipe) othersLoaded(own []ebpf.ProgramID) bool {
	id := p.newest
	for {
		next, err := ebpf.ProgramGetNextID(id)
		if err != nil {
			return !errors.Is(err, os.ErrNotExist)
		}
		if !slices.Contains(own, next) {
			return true
		}
		id = next
	}
}
