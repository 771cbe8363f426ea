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

// The head of the help, and its examples.
const about = `Shows every file that any process opens, as it happens: a row for each
open(2), openat(2), openat2(2), creat(2) and open_by_handle_at(2), of 64-bit and
32-bit programs, and for each open through io_uring, successful or not. It needs
root, or the capabilities CAP_BPF and CAP_PERFMON.

With a COMMAND it turns tracing on, starts the command, and traces it and all
that it starts. It ends with the command, and with its exit status. What the
command writes to stdout goes to stderr, so stdout has rows only; with -w it
goes to stdout. Under sudo the command runs as the user who called sudo.

The header means that tracing is on: earlier opens do not show. Rows go to
stdout, everything else to stderr. Bytes of a name that could garble a terminal
show as \n, \t or \xHH, and a backslash as \\.`

const examples = `  sudo opensnoop                                 everything, until Ctrl-C
  sudo opensnoop -x -F --no-system -- ./myapp
                                     which files does it not find?
  sudo opensnoop missing -- ./myapp  the same, with stat and access, and why
  sudo opensnoop -F -n nginx         what does this daemon open?
  sudo opensnoop -F --under nginx    and what it starts?
  sudo opensnoop -F -p $(pgrep -d, nginx)
                                     what do these processes open?
  sudo opensnoop -F -f O_WRONLY,O_RDWR --path '/etc/**'
                                     who opens files below a folder to write?
  sudo opensnoop -F --container web  what does a container open?
  sudo opensnoop --execs -F -- make  which files does a build read?
  sudo opensnoop --summary -d 60     who opens most, and what?
  sudo opensnoop --summary=live      the same, while it happens
  sudo opensnoop -d 10 -w opens.txt  ten seconds, into a file
  sudo opensnoop -o json -d 10 | jq -r .file
                                     rows as JSON, for another program`

// newCommand returns the command line, with the flags of the main command in groups.
func newCommand(i *invocation) (*cobra.Command, []Group) {
	f := &flags{}
	cmd := &cobra.Command{
		Use:                   "opensnoop [flags] [-- COMMAND [ARGUMENT…]]",
		Short:                 "Show every file that any process opens",
		Long:                  about,
		Example:               examples,
		Version:               i.version,
		SilenceErrors:         true,
		SilenceUsage:          true,
		DisableFlagsInUseLine: true,
		Args:                  i.checkArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.loadConfig(cmd.Flags()); err != nil {
				return &usageError{fmt.Errorf("--config: %w", err)}
			}
			return f.execute(i, args)
		},
		ValidArgsFunction: i.argument,
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{flagError(cmd, err)}
	})
	cmd.SetHelpCommand(newHelpCommand())
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

// checkArguments returns an error for arguments that are no command after -- .
func (i *invocation) checkArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 && cmd.ArgsLenAtDash() == 0 {
		return &usageError{errors.New("no command after " + i.dashes)}
	}
	if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
		return &usageError{argumentError(cmd, args[0])}
	}
	return nil
}

// argumentError says what to do with an argument that is no command after -- .
func argumentError(cmd *cobra.Command, arg string) error {
	if cmd.Flags().Changed("summary") && new(summaryFlag).Set(arg) == nil {
		return fmt.Errorf("unexpected argument %q: --summary takes its value with =: --summary=%[1]s", arg)
	}
	if _, err := strconv.ParseUint(arg, 10, 64); err == nil && cmd.Flags().Changed("pid") {
		return fmt.Errorf("unexpected argument %q: put commas between process ids (pgrep -d,)", arg)
	} else if err == nil {
		return fmt.Errorf("unexpected argument %q: for a process id, use -p %[1]s", arg)
	}
	if near := nearestCommand(cmd, arg); near != "" {
		return fmt.Errorf("unexpected argument %q: did you mean %s?", arg, near)
	}
	return fmt.Errorf("unexpected argument %q: a command to trace comes after --", arg)
}

// nearestCommand returns the command whose name is much like a word; "" if none is.
func nearestCommand(root *cobra.Command, word string) string {
	var names []string
	for _, sub := range root.Commands() {
		names = append(names, sub.Name())
	}
	return filter.Nearest(word, names)
}

// newHelpCommand shows the help of a command. cobra's own takes any word.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND]",
		Short:  "Show the help of a command",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				word, hint := args[len(args)-1], " (see opensnoop -h)"
				if near := nearestCommand(cmd.Root(), word); near != "" {
					hint = fmt.Sprintf("; did you mean %s?", near)
				}
				return &usageError{fmt.Errorf("unknown command %q%s", word, hint)}
			}
			return of.Help()
		},
	}
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
