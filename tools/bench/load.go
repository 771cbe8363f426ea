package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// The names that the loads open: odd ways to write them, so that no other
// process's rows are counted as theirs. The first is cheap to open, in a guest
// too; the second does not exist.
const (
	floodName = "/dev/./null"
	probeName = "/dev/./opensnoop-bench-probe"
	deepName  = "opensnoop-bench-file"
)

// load is a running testdata/callers/load.c.
type load struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startLoad(ctx context.Context, path string) (*load, error) {
	cmd := exec.CommandContext(ctx, path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the load: %w", err)
	}
	return &load{cmd, in, bufio.NewReader(out)}, nil
}

func (l *load) pid() int { return l.cmd.Process.Pid }

// close ends the load.
func (l *load) close() {
	l.in.Close()
	l.cmd.Wait()
}

// work is how often a load did something, and in what time.
type work struct {
	count uint64
	took  time.Duration
}

// each is the time that one took, in ns.
func (w work) each() float64 { return float64(w.took) / float64(w.count) }

// perSecond is how many there were in a second.
func (w work) perSecond() float64 { return float64(w.count) / w.took.Seconds() }

// begin tells the load to do something; result waits until it has.
func (l *load) begin(format string, args ...any) error {
	if _, err := fmt.Fprintf(l.in, format+"\n", args...); err != nil {
		return fmt.Errorf("telling the load: %w", err)
	}
	return nil
}

func (l *load) result() (work, error) {
	line, err := l.out.ReadString('\n')
	if err != nil {
		return work{}, fmt.Errorf("the load gave no answer: %w", err)
	}
	return parseWork(line)
}

// parseWork reads a load's answer.
func parseWork(line string) (work, error) {
	var w work
	if _, err := fmt.Sscanf(line, "%d %d\n", &w.count, &w.took); err != nil || w.took < 0 {
		return work{}, fmt.Errorf("%q is no answer of the load", line)
	}
	return w, nil
}

// once opens probeName.
func (l *load) once() error {
	if err := l.begin("once %s", probeName); err != nil {
		return err
	}
	_, err := l.result()
	return err
}

// chdir lets the load go to a folder.
func (l *load) chdir(folder string) error {
	if err := l.begin("chdir %s", folder); err != nil {
		return err
	}
	_, err := l.result()
	return err
}

// flood lets loads open and close a file all at a time, and for so long.
func flood(d time.Duration, loads ...*load) ([]work, error) { return floodOf(d, floodName, loads...) }

// floodOf is the same with a file of that name.
func floodOf(d time.Duration, name string, loads ...*load) ([]work, error) {
	return together(loads, "open %d %s", d.Milliseconds(), name)
}

// call lets a load make a system call that is no open for so long.
func call(d time.Duration, l *load) ([]work, error) {
	return together([]*load{l}, "call %d", d.Milliseconds())
}

func together(loads []*load, format string, args ...any) ([]work, error) {
	for _, l := range loads {
		if err := l.begin(format, args...); err != nil {
			return nil, err
		}
	}
	var all []work
	for _, l := range loads {
		w, err := l.result()
		if err != nil {
			return nil, err
		}
		if w.count == 0 {
			return nil, errors.New("the load did nothing")
		}
		all = append(all, w)
	}
	return all, nil
}
