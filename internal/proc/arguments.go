package proc

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// argumentsName is the name, and the only argument, of a process that reads the arguments of
// others.
const argumentsName = "opensnoop: arguments"

// Arguments are those that a program was started with, as far as it has not changed them.
type Arguments struct {
	PID  uint32
	Size uint32 // bytes that there are
	Text []byte // the first of them, a NUL behind each argument
}

// A program that uses this package reads arguments by starting itself.
func init() {
	if len(os.Args) != 1 || os.Args[0] != argumentsName {
		return
	}
	if err := printArguments(os.Stdout); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// AllArguments calls each for all processes that /proc shows, with at most so many bytes of the
// arguments of each. The arguments are in the memory of the process, and it can be one that never
// comes, for which nothing ends who reads it: another process reads them, and is left to itself
// when that time is over.
func AllArguments(most int, patience time.Duration, each func(Arguments) error) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{argumentsName}, Stdout: write, Dir: "/"}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return fmt.Errorf("starting what reads the arguments of processes: %w", ExplainLimit(err))
	}
	defer func() {
		_ = cmd.Process.Kill() // it may have ended
		go func() { _ = cmd.Wait() }()
	}()
	if err := read.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	from := bufio.NewReader(read)
	for {
		var head [2]uint32
		if err := binary.Read(from, binary.NativeEndian, &head); err != nil {
			return nil // its end, or that of the time
		}
		text := make([]byte, head[1])
		if _, err := io.ReadFull(from, text); err != nil {
			return nil
		}
		a := Arguments{PID: head[0], Size: head[1], Text: text[:min(len(text), most)]}
		if err := each(a); err != nil {
			return err
		}
	}
}

// argumentsMax is the most bytes that are read of the arguments of one process.
const argumentsMax = 4096

// printArguments writes the arguments of all processes, each at once.
func printArguments(w io.Writer) error {
	all, err := All(Root)
	if err != nil {
		return err
	}
	for _, p := range all {
		file, err := os.Open(fmt.Sprintf("%s/%d/cmdline", Root, p.PID))
		if err != nil {
			continue // it has ended
		}
		text, err := io.ReadAll(io.LimitReader(file, argumentsMax))
		file.Close()
		if err != nil || len(text) == 0 {
			continue // it has ended, or is of the kernel
		}
		b := binary.NativeEndian.AppendUint32(nil, p.PID)
		b = append(binary.NativeEndian.AppendUint32(b, uint32(len(text))), text...)
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}
