package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"opensnoop/internal/compare"
)

// newDiffCommand compares two recordings.
func newDiffCommand(i *invocation) *cobra.Command {
	a := &asked{invocation: i}
	o := compare.DiffOptions{}
	cmd := &cobra.Command{
		Use:   "diff [flags] FILE FILE | FILE -- COMMAND [ARGUMENT…]",
		Short: "Compare two recorded runs: who opened what, and how it ended",
		Long: `Compares two recordings, or one with a command run now, by program, path and
outcome. A line begins with - if only the first has it, + if only the second,
and ! if the outcomes differ: read, write, read+write, path, create, exec, or an
error. Numbers of processes in /proc, and temporary names, are masked.

The exit status is 0 if they are the same, 1 if they differ, and 2 for trouble.`,
		Example: `  opensnoop diff yesterday.osn today.osn
  sudo opensnoop diff good.osn -- ./myapp`,
		Args: takes(2, "two recordings, or one and a command after --: opensnoop diff FILE FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.interrupted.Store(exitUsage) // 0 and 1 say whether there is a difference
			if err := a.diff(cmd, args, o); err != nil {
				return &troubleError{err}
			}
			return nil
		},
	}
	cmd.Flags().Var(&o.Ignore, "ignore", "leave out paths like this; may be repeated")
	cmd.Flags().Var((*mappings)(&o.Map), "map", "compare a folder of the first with another one of the second, as /home/a=/home/b; may be repeated")
	addBool(cmd.Flags(), &o.NoMask, "no-mask", "", "also compare process ids and temporary names")
	addBool(cmd.Flags(), &o.All, "all", "", "show a line for each file, also if many in a folder differ alike")
	a.addTo(cmd)
	return cmd
}

func (a *asked) diff(cmd *cobra.Command, args []string, o compare.DiffOptions) error {
	if args[0] == "-" && args[1] == "-" && cmd.ArgsLenAtDash() < 0 {
		return errors.New("stdin, which - is, has one recording: name a file for the other")
	}
	ctx := a.ctx
	if cmd.ArgsLenAtDash() >= 0 {
		ctx = context.Background() // the other ends with the command, before this is read
	}
	first, err := openRecording(ctx, args[0])
	if err != nil {
		return err
	}
	defer first.Close()
	if err := a.check(first, args[0]); err != nil {
		return err
	}
	second, done, err := a.open(cmd, args[1:])
	if done != nil {
		defer done()
	}
	if err != nil {
		return err
	}
	d, err := compare.NewDiff(first.Reader, second.Reader, o)
	if err != nil {
		return err
	}
	a.messages.reportLacking("the first recording", first.Reader)
	a.messages.reportLacking("the second recording", second.Reader)
	if err := errors.Join(named(args[0], endedWhole(first.Reader)), named(a.name, endedWhole(second.Reader))); err != nil {
		return err
	}
	if d.Differ() {
		a.status = exitFailure
	}
	return readerLeft(d.Write(a.stdout))
}

// mappings are folders that have another path in another recording.
type mappings []compare.Mapping

func (m *mappings) Set(text string) error {
	from, to, ok := strings.Cut(text, "=")
	if !ok || !strings.HasPrefix(from, "/") || !strings.HasPrefix(to, "/") {
		return fmt.Errorf("expected two folders, such as /home/a=/home/b")
	}
	*m = append(*m, compare.Mapping{From: strings.TrimRight(from, "/"), To: strings.TrimRight(to, "/")})
	return nil
}

func (m *mappings) String() string { return "" }
func (*mappings) Type() string     { return "FROM=TO" }
