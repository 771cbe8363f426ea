// Guestrun runs a command in a guest kernel, on the host's own files. It is made
// for go test:
//
//	go test -exec "$PWD/bin/guestrun -kernel $PWD/.cache/kernels/6.1" ./internal/e2e
//
// Paths must be absolute there, as go test runs it in the package's folder. It
// exits with the command's status, or with 125 if there is none.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"opensnoop/tools/guest"
)

// failed is the exit status for what is not the command's fault.
const failed = 125

func main() {
	ctx, stop := signal.NotifyContext(context.Background(),
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	// A reader of ours that left is an error to end the guest with, not our death.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	status, err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "guestrun: %v\n", err)
	}
	os.Exit(status)
}

// run does what the arguments say and returns the status to exit with.
func run(ctx context.Context, args []string) (int, error) {
	var c guest.Config
	flags := flag.NewFlagSet("guestrun", flag.ContinueOnError)
	flags.StringVar(&c.Kernel, "kernel", "", "the `folder` of a kernel that kernel.sh unpacked")
	flags.DurationVar(&c.Timeout, "timeout", guest.DefaultTimeout, "end the guest after this `time`")
	flags.IntVar(&c.MemoryMB, "memory", guest.DefaultMemoryMB, "the guest's memory in `MB`")
	flags.StringVar(&c.Root, "root", "", "the `folder` that is the guest's file system, / if empty")
	flags.StringVar(&c.Dir, "dir", "", "the `folder` to run the command in, the current one if empty")
	flags.IntVar(&c.CPUs, "cpus", guest.DefaultCPUs, "how many CPUs the guest has")
	flags.StringVar(&c.Boot, "boot", "", "more `words` for the kernel's command line, such as preempt=full")
	verbose := flags.Bool("v", false, "show the guest's console on stderr")
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "usage: guestrun -kernel FOLDER [flags] [--] COMMAND [ARGUMENT…]\n\n")
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0, nil
	case err != nil:
		return failed, nil // flags has said it
	case c.Kernel == "":
		return failed, errors.New("-kernel names no folder")
	case flags.NArg() == 0:
		return failed, errors.New("no command to run")
	}
	c.Command = flags.Args()
	c.Stdout = os.Stdout
	if *verbose {
		c.Console = os.Stderr
	}

	release, err := guest.Release(c.Kernel)
	if err != nil {
		return failed, err
	}
	c.Env = append(passedOn(os.Environ()), "OPENSNOOP_GUEST="+release, "OPENSNOOP_KERNEL="+c.Kernel)
	if c.Dir == "" {
		if c.Dir, err = os.Getwd(); err != nil {
			return failed, err
		}
	}
	status, err := guest.Run(ctx, c)
	if err != nil {
		return failed, err
	}
	return status, nil
}

// passedOn returns the part of an environment that the guest's command is to have.
func passedOn(environ []string) []string {
	var passed []string
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case name == "OPENSNOOP_GUEST", name == "OPENSNOOP_KERNEL":
		case name == "PATH", name == "HOME", name == "LANG", name == "TMPDIR",
			strings.HasPrefix(name, "GO"), strings.HasPrefix(name, "OPENSNOOP_"):
			passed = append(passed, v)
		}
	}
	return passed
}
