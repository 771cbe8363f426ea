// Package bcc compiles, loads and attaches BPF programs with libbcc, through
// gobpf. It needs no kernel headers, and keeps what libbcc, clang and the
// verifier print out of stdout and stderr.
//
// The steps, in order: [Compile] a source, [Module.Load] programs out of it,
// open [Module.Map]s, attach, and [Module.Close]. Compile and Close use state of
// the whole process (the working folder, the environment, stdout and stderr), so
// only one may run at a time, with no child process being started.
package bcc

/*
#cgo CFLAGS: -I/usr/include/bcc/compat
#cgo LDFLAGS: -lbcc
#include "replaced.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	gobpf "github.com/iovisor/gobpf/bcc"
	"golang.org/x/sys/unix"
)

// Source is what [Compile] compiles.
type Source struct {
	Code    string   // C
	Headers fs.FS    // laid out like a kernel source folder, less linux/version.h, with a bcc/helpers.h
	Flags   []string // of the compiler, such as -DNAME=value
	Arch    string   // "" is this machine's; "arm64", "x86" only to check a source

	// Pinned are the paths of pinned maps, by the names of maps of the source that
	// they take the place of.
	Pinned map[string]string
}

// Error is a step of libbcc's that failed.
type Error struct {
	Step     string // such as "compiling the BPF program"
	Messages string // the compiler's or verifier's own words; may be empty
	Err      error  // may be nil
}

func (e *Error) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("%s failed: %v", e.Step, e.Err)
	default:
		return e.Step + " failed"
	}
}

func (e *Error) Unwrap() error { return e.Err }

// Module is a compiled source. Its maps exist, its programs are loaded one by
// one. The zero value cannot be used.
type Module struct {
	module   *gobpf.Module
	programs map[string]int // loaded, by name; the descriptors are gobpf's to close
	links    []link.Link    // raw tracepoints: gobpf keeps no hold on these
}

// KernelRefuses returns the error of the cheapest BPF system call that tracing
// needs, nil if the kernel takes it. It matches [unix.EPERM] when rights lack.
func KernelRefuses() error {
	return features.HaveProgramType(ebpf.RawTracepoint)
}

// shortcuts spare libbcc two thirds of the time that it takes to compile. Where they
// do not fit, because a source uses more of libbcc's headers or the headers changed,
// it compiles as usual.
var shortcuts = []string{
	// Not libbcc's own headers, by their guards, but the little of them that is in
	// Source.Headers.
	"-D_UAPI__LINUX_BPF_H__", "-D__BPF_HELPERS_H", "-include", "bcc/helpers.h",
	// No debugging information: the verifier's log then shows instructions alone.
	"-g0",
	// No optimization by clang: libbcc does all of it again by itself.
	"-Xclang", "-disable-llvm-passes",
}

// Compile compiles the source for the running kernel and creates its maps. An
// error of the compiler is an [*Error] with its messages. It takes 30 to 100 ms,
// during which the process's working folder is another.
func Compile(src Source) (*Module, error) {
	if len(src.Pinned) > 0 {
		return nil, errors.New("pinned maps cannot take the place of the program's own yet")
	}
	version, err := features.LinuxVersionCode()
	if err != nil {
		return nil, fmt.Errorf("reading the kernel's version: %w", err)
	}
	folder, err := newHeaderFolder(src.Headers, version)
	if err != nil {
		return nil, err
	}
	defer folder.remove()

	C.opensnoop_has_probe_read_user = 0
	if features.HaveProgramHelper(ebpf.Kprobe, asm.FnProbeReadUser) == nil {
		C.opensnoop_has_probe_read_user = 1
	}

	restore, err := compilerEnvironment(folder.path, src.Arch)
	if err != nil {
		return nil, err
	}
	defer restore()

	var module *gobpf.Module
	var messages string
	for _, first := range [][]string{shortcuts, nil} {
		messages, err = capture(func() { module = gobpf.NewModule(src.Code, slices.Concat(first, src.Flags)) })
		if err != nil {
			return nil, err
		}
		if module != nil {
			break
		}
	}
	if module == nil {
		return nil, &Error{Step: "compiling the BPF program with libbcc", Messages: messages}
	}
	return &Module{module: module, programs: make(map[string]int)}, nil
}

// compilerEnvironment sets what libbcc and clang read from the environment and
// moves to /, because libbcc cannot leave a folder that is deleted or whose path
// is longer than 255 bytes, and takes headers from the one that it is in.
// restore undoes both.
func compilerEnvironment(headers, arch string) (restore func(), err error) {
	env := map[string]string{
		"BCC_KERNEL_SOURCE":         headers,
		"ARCH":                      arch,
		"BCC_KERNEL_MODULES_SUFFIX": "",
		"BCC_LINUX_VERSION_CODE":    "",
		"CPATH":                     "",
		"C_INCLUDE_PATH":            "",
	}
	cwd, err := unix.Open(".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the working folder: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		unix.Close(cwd)
		return nil, fmt.Errorf("leaving the working folder: %w", err)
	}
	old := make(map[string]string)
	for name, value := range env {
		if before, ok := os.LookupEnv(name); ok {
			old[name] = before
		}
		if value == "" {
			os.Unsetenv(name)
		} else {
			os.Setenv(name, value)
		}
	}
	return func() {
		for name := range env {
			if before, ok := old[name]; ok {
				os.Setenv(name, before)
			} else {
				os.Unsetenv(name)
			}
		}
		unix.Fchdir(cwd)
		unix.Close(cwd)
	}, nil
}

// Load loads a program of the source, by its function's name, for kprobes
// ([ebpf.Kprobe]) or raw tracepoints ([ebpf.RawTracepoint]). When the verifier
// refuses it, the error is an [*Error] with the verifier's log.
func (m *Module) Load(name string, kind ebpf.ProgramType) error {
	var fd int
	var fail error
	messages, err := capture(func() { fd, fail = m.module.Load(name, int(kind), 0, 0) })
	if err != nil {
		return err
	}
	if fail != nil {
		return &Error{Step: "loading the BPF program " + name, Messages: messages, Err: cause(fail)}
	}
	m.programs[name] = fd
	return nil
}

// cause is the system's part of an error of gobpf's, which comes as text only:
// "error loading BPF program: operation not permitted".
func cause(err error) error {
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return errors.New(text)
}

// Map opens a table of the source by its name. The map is the caller's to close
// and outlives the module.
func (m *Module) Map(name string) (*ebpf.Map, error) {
	table := gobpf.NewTable(m.module.TableId(name), m.module)
	fd, ok := table.Config()["fd"].(int)
	if !ok || fd < 0 {
		return nil, fmt.Errorf("the BPF program has no table %s", name)
	}
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the table %s: %w", name, err)
	}
	bpfMap, err := ebpf.NewMapFromFD(dup)
	if err != nil {
		return nil, fmt.Errorf("opening the table %s: %w", name, err)
	}
	return bpfMap, nil
}

// AttachKprobe runs a loaded program at the entry of a kernel function.
func (m *Module) AttachKprobe(symbol, program string) error {
	return m.attach(symbol, program, m.module.AttachKprobe)
}

// AttachKretprobe runs a loaded program at the return of a kernel function. The
// kernel keeps an instance for each call under way, twice as many as there are
// CPUs and at least 10 (kernel/kprobes.c); returns of calls beyond go unseen.
func (m *Module) AttachKretprobe(symbol, program string) error {
	return m.attach(symbol, program, m.module.AttachKretprobe)
}

func (m *Module) attach(symbol, program string, attach func(symbol string, fd, maxActive int) error) error {
	fd, ok := m.programs[program]
	if !ok {
		return fmt.Errorf("attaching to %s: the BPF program %s is not loaded", symbol, program)
	}
	var fail error
	// More instances than the default would go through tracefs, which keeps a
	// probe when the tracer is killed; a perf event leaves none.
	messages, err := capture(func() { fail = attach(symbol, fd, 0) })
	if err != nil {
		return err
	}
	if fail != nil {
		return &Error{Step: "attaching to " + symbol, Messages: messages, Err: cause(fail)}
	}
	return nil
}

// AttachRawTracepoint runs a loaded program at a tracepoint of the kernel.
func (m *Module) AttachRawTracepoint(tracepoint, program string) error {
	fd, ok := m.programs[program]
	if !ok {
		return fmt.Errorf("attaching to %s: the BPF program %s is not loaded", tracepoint, program)
	}
	prog, err := dupProgram(fd)
	if err != nil {
		return fmt.Errorf("attaching to %s: %w", tracepoint, err)
	}
	defer prog.Close()
	l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: tracepoint, Program: prog})
	if err != nil {
		return fmt.Errorf("attaching to %s: %w", tracepoint, err)
	}
	m.links = append(m.links, l)
	return nil
}

// dupProgram makes a program of a descriptor of gobpf's, which stays gobpf's.
func dupProgram(fd int) (*ebpf.Program, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return ebpf.NewProgramFromFD(dup)
}

// Close detaches all programs and frees the module. No program runs after it.
func (m *Module) Close() error {
	var errs []error
	for _, l := range m.links {
		errs = append(errs, l.Close())
	}
	m.links = nil
	// gobpf looks for its probes in tracefs, and libbcc complains on stderr
	// where that is not mounted.
	_, err := capture(m.module.Close)
	return errors.Join(append(errs, err)...)
}
