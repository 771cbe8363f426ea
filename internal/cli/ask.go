package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"opensnoop/internal/compare"
	"opensnoop/internal/format"
	"opensnoop/internal/record"
)

// troubleError is a failure of diff, which has 1 for a difference.
type troubleError struct{ error }

func (e *troubleError) Unwrap() error { return e.error }

// asked is a recording that is asked, or a command that is recorded for that.
type asked struct {
	*invocation
	asRoot  bool
	lookups bool // of a command, what is only looked for is recorded, too
	name    string
}

// addTo adds the flags for a command.
func (a *asked) addTo(cmd *cobra.Command) {
	addBool(cmd.Flags(), &a.asRoot, "as-root", "", "under sudo, run the command as root too")
	cmd.Flags().SortFlags = false
	cmd.DisableFlagsInUseLine = true
}

// takes returns what checks that there are so many files, or one less and a command.
func takes(files int, usage string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		dash := cmd.ArgsLenAtDash()
		if dash < 0 && len(args) == files || dash == files-1 && len(args) > dash {
			return nil
		}
		return &usageError{errors.New("expected " + usage)}
	}
}

// ask has the recording of a file answer, or that of a command that it runs.
func (a *asked) ask(cmd *cobra.Command, args []string, answer func(*recording) error) error {
	a.interrupted.Store(exitFailure)
	in, done, err := a.open(cmd, args)
	if done != nil {
		defer done()
	}
	if err != nil {
		return err
	}
	return answer(in)
}

// open returns the recording of a file, or of a command that it runs. done takes it away.
func (a *asked) open(cmd *cobra.Command, args []string) (in *recording, done func(), err error) {
	if cmd.ArgsLenAtDash() < 0 {
		a.name = args[0]
		in, err = openRecording(a.ctx, args[0])
		if err != nil {
			return nil, nil, err
		}
		return in, in.Close, a.check(in, a.name)
	}
	a.name = "the command"
	dir, err := os.MkdirTemp("", "opensnoop-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { os.RemoveAll(dir) }
	path := filepath.Join(dir, "recording")
	f := &flags{asRoot: a.asRoot, output: recordOutput(), filters: cmd.Flags(), commandToStderr: true}
	f.trace.Lookups = a.lookups
	if err := f.record(a.invocation, path, args); err != nil {
		remove()
		return nil, nil, err
	}
	if a.status != exitOK {
		a.messages.printf("the command ended with status %d", a.status)
	}
	a.status = exitOK
	// Also when a signal has ended the command.
	if in, err = openRecording(context.Background(), path); err != nil {
		remove()
		return nil, nil, err
	}
	return in, func() { in.Close(); remove() }, a.check(in, a.name)
}

// check returns an error if a recording lacks columns.
func (a *asked) check(in *recording, path string) error {
	for _, column := range compare.Needs {
		if !slices.Contains(in.Start().Columns, column) {
			return fmt.Errorf("%s: the column %s was not recorded: record it with opensnoop record", path, column)
		}
	}
	return nil
}

// reportLacking says what a recording lacks.
func (m *messages) reportLacking(name string, in *record.Reader) {
	total, doubtful := in.Lost()
	gaps := in.Gaps()
	if total+gaps > 0 {
		m.printf("%s lacks %d opens: %d were lost while tracing, %d while writing", name, total+gaps, total, gaps)
	}
	if doubtful > 0 {
		m.printf("up to %d more may have been lost while tracing", doubtful)
	}
}

// endedWhole returns an error for a recording that has no end.
func endedWhole(in *record.Reader) error {
	if in.Ended() {
		return nil
	}
	if rows, cut := in.Cut(); cut {
		return fmt.Errorf("%w: one that is in it ends after %d rows without an end record, as after kill -9, and another begins", record.ErrDamaged, rows)
	}
	return fmt.Errorf("%w: it ends after %d rows without an end record, as after kill -9", record.ErrDamaged, in.Rows())
}

// whole returns the error of reading a recording, or one if it has no end.
func (a *asked) whole(in *recording, err error) error {
	if err == nil {
		err = endedWhole(in.Reader)
	}
	return named(a.name, err)
}

// named says of an error which recording has it.
func named(name string, err error) error {
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// elsewhere reports whether a recording is another machine's.
func elsewhere(in *recording) bool {
	host, _ := os.Hostname()
	return host != in.Start().Host
}

// newMissingCommand shows what was looked for and not found.
func newMissingCommand(i *invocation) *cobra.Command {
	a := &asked{invocation: i, lookups: true}
	var all bool
	output := formatTable
	cmd := &cobra.Command{
		Use:   "missing [flags] FILE | -- COMMAND [ARGUMENT…]",
		Short: "Show what a recorded run, or a command, did not find",
		Long: `Shows each file that programs looked for and did not find: the places in order,
each with its error, and where it was found at last. The reason behind a place
is that of the file system now: the first folder that does not exist, or that
may not be entered. Files that were only checked, as by stat, show for a
command, and for a recording made with --lookups.`,
		Example: `  sudo opensnoop missing -- ./myapp
  opensnoop missing make.osn -o json`,
		Args: takes(1, "a recording, or a command after --: opensnoop missing FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, args, func(in *recording) error { return a.missing(in, all, output == formatJSON) })
		},
	}
	addBool(cmd.Flags(), &all, "all", "", "show all files and all places")
	cmd.Flags().VarP(newChoice(&output, []string{formatTable, formatJSON}), "output", "o", "write a table, or a JSON object per line")
	a.addTo(cmd)
	return cmd
}

func (a *asked) missing(in *recording, all, json bool) error {
	search, err := compare.Missing(in.Reader)
	err = a.whole(in, err)
	a.messages.reportLacking("the recording", in.Reader)
	o := compare.MissingOptions{All: all, Explain: !elsewhere(in), Note: " Reasons are those of the file system now."}
	if !o.Explain {
		o.Note = string(format.AppendPrintable([]byte(" No reasons: it was recorded on "), []byte(in.Start().Host))) + "."
	}
	if json {
		return errors.Join(readerLeft(search.WriteJSON(a.stdout, o.Explain)), err)
	}
	return errors.Join(readerLeft(search.Write(a.stdout, o)), err)
}

// readerLeft takes it for no error that nobody reads any more.
func readerLeft(err error) error {
	if errors.Is(err, unix.EPIPE) {
		return nil
	}
	return err
}

// newNeedsCommand lists the files of a run.
func newNeedsCommand(i *invocation) *cobra.Command {
	a := &asked{invocation: i, lookups: true}
	var zero, packages bool
	var depfile string
	cmd := &cobra.Command{
		Use:   "needs [flags] FILE | -- COMMAND [ARGUMENT…]",
		Short: "List the files that a recorded run, or a command, needed",
		Long: `Lists the files that were read, executed or loaded, or looked for and found,
without those that the run made itself, and without /proc, /sys and /dev. Each
line is a path; each symbolic link on the way has a line too. So tar and rsync
can take them to another machine:

  opensnoop needs make.osn -0 | tar --no-recursion --null -T - -cf needed.tar`,
		Example: `  sudo opensnoop needs -- ./myapp
  opensnoop needs make.osn --packages
  opensnoop needs make.osn --depfile prog.o > prog.d`,
		Args: takes(1, "a recording, or a command after --: opensnoop needs FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if packages && (depfile != "" || zero) || depfile != "" && zero {
				return &usageError{errors.New("--packages, --depfile and -0 do not go together")}
			}
			if !compare.MakeTakesTarget(depfile) {
				return &usageError{fmt.Errorf("--depfile %q: make cannot take this name", depfile)}
			}
			return a.ask(cmd, args, func(in *recording) error { return a.needs(in, zero, packages, depfile) })
		},
	}
	addBool(cmd.Flags(), &zero, "null", "0", "end each path with a zero byte, for tar --null and rsync -0")
	addBool(cmd.Flags(), &packages, "packages", "", "list the packages that they belong to, as dpkg or rpm says")
	cmd.Flags().StringVar(&depfile, "depfile", "", "write a make rule: this `TARGET` needs these files, without programs and libraries")
	a.addTo(cmd)
	return cmd
}

func (a *asked) needs(in *recording, zero, packages bool, depfile string) error {
	files, err := compare.Needed(in.Reader)
	err = a.whole(in, err)
	a.messages.reportLacking("the recording", in.Reader)
	paths := files.WithLinks
	if depfile == "" && elsewhere(in) {
		a.messages.printf("it was recorded on %s: loaders, and links on the way, are not looked up here", in.Start().Host)
		if packages {
			a.messages.printf("packages are told as this machine has them")
		}
		paths = files.Recorded
	}
	var text string
	switch {
	case depfile != "":
		var left int
		if text, left = compare.Depfile(depfile, files.Sources()); left > 0 {
			a.messages.printf("%s left out: make cannot take such names", filesAre(left))
		}
	case packages:
		names, others, askErr := compare.Packages(paths())
		if askErr != nil {
			return errors.Join(askErr, err)
		}
		text = lines(names, "\n")
		if others > 0 {
			a.messages.printf("%s of no package", filesAre(others))
		}
	default:
		return errors.Join(readerLeft(writePaths(a.stdout, paths(), zero)), err)
	}
	_, writeErr := a.stdout.WriteString(text)
	return errors.Join(readerLeft(writeErr), err)
}

// writePaths writes each path as it is, with a zero byte behind it, or else on a line, without what
// could steer a terminal.
func writePaths(w io.Writer, paths []string, zero bool) error {
	out := bufio.NewWriter(w)
	var line []byte
	for _, path := range paths {
		if zero {
			line = append(append(line[:0], path...), 0)
		} else {
			line = append(format.AppendEscaped(line[:0], []byte(path)), '\n')
		}
		out.Write(line)
	}
	return out.Flush()
}

// filesAre begins a sentence on n files.
func filesAre(n int) string {
	if n == 1 {
		return "1 file is"
	}
	return fmt.Sprintf("%d files are", n)
}

func lines(texts []string, end string) string {
	if len(texts) == 0 {
		return ""
	}
	return strings.Join(texts, end) + end
}
