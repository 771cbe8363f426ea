package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"opensnoop/internal/filter"
	"opensnoop/internal/kernel"
	"opensnoop/internal/stream"
)

// Command returns the command line as a tree, with the main command's flags in groups, for
// the manual.
func Command(version string) (*cobra.Command, []Group) {
	return newCommand(&invocation{
		version: version, stdout: os.Stdout, messages: &messages{w: os.Stderr}, ctx: context.Background(),
	})
}

// newCommand returns the command line, with the flags of the main command in groups.
func newCommand(i *invocation) (*cobra.Command, []Group) {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "opensnoop [flags] [-- COMMAND [ARGUMENT…]]",
		Short: "Show every file that any process opens",
		Long: `Shows every file that any process opens, as it happens: a row for each
open(2), openat(2), openat2(2), creat(2) and open_by_handle_at(2), of 64-bit and
32-bit programs, and for each open through io_uring, successful or not. It needs
root, or the capabilities CAP_BPF and CAP_PERFMON.

With a COMMAND it starts that once tracing is on, traces it and all processes
that descend from it, and ends with its exit status. The command's stdout
goes to stderr, so that the rows have stdout for themselves; with -w it is left
as it is. Under sudo the command runs as the user who called sudo.

Bytes of a name that could garble a terminal come as \n, \t or \xHH, and a
backslash as \\. Rows go to stdout, everything else to stderr.`,
		Example: `  sudo opensnoop                                 everything, until Ctrl-C
  sudo opensnoop -x -F -- ./myapp                what does it look for in vain?
  sudo opensnoop -F -n nginx                     what does this daemon open?
  sudo opensnoop -F -p $(pgrep -d, nginx)        what do these processes open?
  sudo opensnoop -F -f O_WRONLY --path '/etc/**' who writes below a folder?
  sudo opensnoop -F --container web              what does a container open?
  sudo opensnoop --execs -F -- make              which files does a build read?
  sudo opensnoop --summary -d 60                 who opens most, and what?
  sudo opensnoop --summary=live                  the same, while it happens
  sudo opensnoop -d 10 -w opens.txt              ten seconds, into a file
  sudo opensnoop -o json -d 10 | jq -r .file     rows for another program`,
		Version:               i.version,
		SilenceErrors:         true,
		SilenceUsage:          true,
		DisableFlagsInUseLine: true,
		Args:                  checkArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.loadConfig(cmd.Flags()); err != nil {
				return &usageError{err}
			}
			return f.execute(i, args)
		},
		ValidArgsFunction: i.argument,
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{flagError(cmd.Flags(), err)}
	})
	cmd.SetOut(i.stdout)
	cmd.SetErr(i.messages)
	groups := f.add(cmd)
	cmd.AddCommand(newRecordCommand(i), newReplayCommand(i), newDiffCommand(i), newMissingCommand(i), newNeedsCommand(i), newDoctorCommand(i))
	// By a function, not by a template: with one, a fifth of the program would be what templates
	// may call.
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { printHelp(cmd, groups) })
	for _, sub := range cmd.Commands() {
		if strings.Contains(sub.Use, "FILE") {
			sub.ValidArgsFunction = i.argument
		}
	}
	addCompletions(cmd)
	fixBash(cmd)
	return cmd, groups
}

// checkArguments returns an error for arguments that are no command behind -- .
func checkArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 && cmd.ArgsLenAtDash() == 0 {
		return &usageError{errors.New("-- and no command behind it")}
	}
	if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
		return &usageError{argumentError(cmd, args[0])}
	}
	return nil
}

// argumentError says what to do with an argument that is no command behind -- .
func argumentError(cmd *cobra.Command, arg string) error {
	if _, err := strconv.ParseUint(arg, 10, 64); err == nil {
		return fmt.Errorf("unexpected argument %q: several process ids go by commas (pgrep -d,)", arg)
	}
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	if near := filter.Nearest(arg, names); near != "" {
		return fmt.Errorf("unexpected argument %q: did you mean %s?", arg, near)
	}
	return fmt.Errorf("unexpected argument %q: a command to trace comes behind --", arg)
}

// check returns an error if the flags cannot go together.
func (f *flags) check() error {
	if err := f.output.check(); err != nil {
		return err
	}
	if err := checkFilters(&f.trace.Filter, f.follow); err != nil {
		return &usageError{err}
	}
	return nil
}

// execute does what the flags say.
func (f *flags) execute(i *invocation, args []string) (err error) {
	if err := f.prepare(len(args) > 0); err != nil {
		return err
	}
	if f.source || f.columnsHelp || f.output.file == "" {
		if err := stream.CheckStdout(i.stdout); err != nil {
			return err
		}
	}
	if f.columnsHelp {
		return printColumns(i.stdout)
	}
	if f.output.format == formatCSV && f.output.file == "" && !f.source && stream.IsTerminal(i.stdout) {
		return &usageError{errCSVOnTerminal}
	}
	if f.trace.Kernel == nil {
		if f.trace.Kernel, err = kernel.CurrentFacts(); err != nil {
			return err
		}
	}
	f.complete()
	if f.source {
		return f.printSource(i.stdout)
	}
	close(i.tracing)
	r := &run{invocation: i, flags: f}
	i.status, err = r.run(args)
	return err
}

// prepare makes of the flags what is traced, and returns an error if they cannot go together.
func (f *flags) prepare(command bool) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := f.checkFollow(command); err != nil {
		return &usageError{err}
	}
	if t := &f.trace.Filter; f.follow {
		t.Roots, t.PIDs, t.Running = t.PIDs, nil, true
	}
	f.trace.Gated = f.config != "" && !command && !f.follow
	return f.leaveOutSystem()
}

// complete adds what depends on the kernel.
func (f *flags) complete() {
	f.trace.Fields = f.output.fields(&f.trace)
	if f.unique {
		f.trace.Fields |= uniqueWanted(&f.trace)
	}
}
