// Package doctor checks whether opensnoop can trace on this machine, and tells
// what stands in its way.
//
// [Look] gathers what is to be known, [Examine] judges it, check by check, and
// [Live] tries the way of an event for real. Only Live needs privileges.
package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"opensnoop/internal/bcc"
	"opensnoop/internal/cache"
	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
	"opensnoop/internal/plan"
	"opensnoop/internal/probe"
	"opensnoop/internal/trace"
)

// Status is how a check went.
type Status string

const (
	// OK is as it should be, or does not matter to opensnoop.
	OK Status = "ok"
	// Warn is that opensnoop can trace, but less well.
	Warn Status = "warn"
	// Fail is that opensnoop cannot trace.
	Fail Status = "fail"
)

// Check is what was found about one thing.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Found  string `json:"found"`

	// Meaning is what that means for opensnoop, and Remedy what to do; both are
	// empty if the status is OK.
	Meaning string `json:"meaning,omitempty"`
	Remedy  string `json:"remedy,omitempty"`

	// Of is the check that this one is a detail of: what it means is said there.
	Of string `json:"of,omitempty"`

	// errorText is a part of those of the tracer's own errors that say the same.
	errorText string
}

// System is what the checks judge.
type System struct {
	Root         fs.FS  // of the file system: boot, lib, proc and sys are read
	Release      string // of the kernel, as uname -r says it
	Version      kernel.Version
	Capabilities kernel.Capabilities
	Fentry       error // why the fentry probe is not the one to use; nil if it is
	Session      error // the same of the session probe, for results
	BPF          error // of a BPF system call that tracing needs, nil if it is taken
	CPUs         int
	PageSize     int
	LockLimit    uint64 // RLIMIT_MEMLOCK in bytes
	Program      string // the path of opensnoop
	Compiler     Compiler
}

// Compiler is what compiles the BPF program.
type Compiler struct {
	Libraries []string // paths, with the files that links lead to
	Err       error    // why it cannot be asked
	CachePath string   // of the folder with compiled programs; "" is none

	// Lookup is what a start with default columns would find there; nil if that
	// cannot be told.
	Lookup *bcc.Result
}

// Look gathers what is to be known about this machine and process.
func Look() (*System, error) {
	release, err := kernel.CurrentRelease()
	if err != nil {
		return nil, err
	}
	facts, err := kernel.CurrentFacts()
	if err != nil {
		return nil, err
	}
	capabilities, err := kernel.EffectiveCapabilities()
	if err != nil {
		return nil, err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return nil, fmt.Errorf("reading the limit of locked memory: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		program = "opensnoop"
	}
	return &System{
		Root:         os.DirFS("/"),
		Release:      release.Name,
		Version:      facts.Version,
		Capabilities: capabilities,
		Fentry:       whyNot("fentry", probe.Request{}, facts),
		Session:      whyNot("session", probe.Request{Fields: event.Result}, facts),
		BPF:          kernel.RefusesBPF(),
		CPUs:         runtime.NumCPU(),
		PageSize:     os.Getpagesize(),
		LockLimit:    limit.Cur,
		Program:      program,
		Compiler:     lookAtCompiler(facts, len(capabilities.Missing(facts.Version)) == 0),
	}, nil
}

// whyNot returns why a probe is not the one to use; nil if it is.
func whyNot(name string, r probe.Request, facts *kernel.Facts) error {
	p := probe.Choose(name)[0]
	if err := p.Detect(facts); err != nil {
		return err
	}
	return p.Supports(r, facts)
}

// lookAtCompiler starts a compiler to see what it consists of, and looks into the cache.
func lookAtCompiler(facts *kernel.Facts, mayTrace bool) Compiler {
	var c Compiler
	var paths []string
	paths, c.Err = bcc.Libraries(context.Background())
	for _, path := range paths {
		if file, err := filepath.EvalSymlinks(path); err == nil {
			path = file
		}
		c.Libraries = append(c.Libraries, path)
	}
	folder := cache.Default()
	c.CachePath = folder.Path()
	if !mayTrace {
		return c // helpers that a program can have would be missing
	}
	if program, err := trace.Program(plan.Options{}, facts); err == nil {
		c.Lookup, _ = trace.NewCompiler(facts, folder).Lookup(program)
	}
	return c
}

// Examine makes all checks that need no trying.
func Examine(s *System) []Check {
	symbol := symbolToHook(s)
	checks := []Check{
		kernelVersion(s.Release, s.Version),
		probeToUse(s, symbol),
		kprobes(s.Root),
		symbol,
		ioUring(s.Version),
		bpfCall(s),
		jit(s.Root),
		capabilities(s),
		paranoid(s),
		lockdown(s.Root),
		unprivileged(s.Root),
		pointers(s.Root),
		lockedMemory(s),
		pidNamespace(s.Root, s.Version),
		tracefs(s.Root),
		libraries(s.Compiler),
		compileCache(s.Compiler),
		headers(s.Root, s.Release),
	}
	if kernel.Kprobes(s.Root) == nil {
		checks = append(checks, kprobesFire(s.Root))
	}
	return withDetails(checks, configuration(s.Root, s.Release))
}

// withDetails adds checks that may be details of others: where those passed, what a detail
// lacks does no harm.
func withDetails(checks, details []Check) []Check {
	for _, d := range details {
		for _, c := range checks {
			if c.Name == d.Of && c.Status == OK && d.Status != OK {
				d = Check{Name: d.Name, Status: OK, Found: d.Found + "; it does without"}
			}
		}
		if d.Status == OK {
			d.Of = ""
		}
		checks = append(checks, d)
	}
	return checks
}

// CanTrace tells whether none of the checks failed.
func CanTrace(checks []Check) bool {
	for _, c := range checks {
		if c.Status == Fail {
			return false
		}
	}
	return true
}
