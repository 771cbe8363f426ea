// Package cli is opensnoop's command line: its flags, signals, messages and exit
// status.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"opensnoop/internal/bcc"
	"opensnoop/internal/format"
	"opensnoop/internal/trace"
)

// Exit statuses.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a command line that does not say what to do.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// Main runs the command line and returns the exit status. Rows go to stdout,
// everything else to stderr.
func Main(version string, args []string, stdout, stderr *os.File) int {
	// A write to a pipe without a reader has to return its error. Ignored, the
	// signal would be ignored by the command to trace too.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	m := &messages{w: stderr}
	status := exitOK
	cmd := newCommand(version, stdout, m, &status)
	cmd.SetArgs(execAsDashes(args))
	err := cmd.Execute()
	if err == nil {
		return status
	}
	if usage := (*usageError)(nil); errors.As(err, &usage) {
		m.printf("%v (see opensnoop -h)", err)
		return exitUsage
	}
	if errors.Is(err, errUnwell) {
		return exitFailure
	}
	m.printf("%v", err)
	if failed := (*bcc.Error)(nil); errors.As(err, &failed) && failed.Messages != "" {
		m.printf("libbcc's messages:\n%s", failed.Messages)
	}
	explain(m, err)
	return exitFailure
}

// execAsDashes replaces --exec, behind which all is the command, by -- .
func execAsDashes(args []string) []string {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if arg == "--exec" {
			return slices.Concat(args[:i], []string{"--"}, args[i+1:])
		}
	}
	return args
}

// messages writes lines for the user, each marked as opensnoop's.
type messages struct{ w io.Writer }

func (m *messages) printf(format string, args ...any) {
	var b strings.Builder
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		fmt.Fprintf(&b, "opensnoop: %s\n", strings.TrimRight(line, " \n"))
	}
	io.WriteString(m.w, b.String())
}

// flags are what the command line chose.
type flags struct {
	trace    trace.Options
	shape    shape
	duration seconds
	count    count
	asRoot   bool
	verbose  bool
	source   bool
}

func newCommand(version string, stdout *os.File, m *messages, status *int) *cobra.Command {
	f := flags{}
	cmd := &cobra.Command{
		Use:   "opensnoop [flags] [-- COMMAND [ARGUMENT…]]",
		Short: "Show every file that any process opens",
		Long: `Shows every file that any process opens, as it happens: a row for each
open(2), openat(2), openat2(2) and creat(2), of 64-bit and 32-bit programs,
and for each open through io_uring, successful or not. It needs root, or the
capabilities CAP_BPF and CAP_PERFMON.

With a COMMAND it starts that once tracing is on, traces it, but not the
processes that it starts, and ends with its exit status. The command's stdout
goes to stderr, so that the rows have stdout for themselves; with -w it is left
as it is. Under sudo the command runs as the user who called sudo.

Bytes of a name that could garble a terminal come as \n, \t or \xHH, and a
backslash as \\. Rows go to stdout, everything else to stderr.`,
		Example: `  sudo opensnoop                          everything, until Ctrl-C
  sudo opensnoop -d 10 > opens.txt        for ten seconds, into a file
  sudo opensnoop | grep '\.conf$'         who reads configuration?
  sudo opensnoop -p $(pgrep -d, nginx)    the files of some processes
  sudo opensnoop -x --path '/etc/**'      what is looked for there in vain?
  sudo opensnoop -f O_WRONLY -f O_RDWR    what is opened to write?
  sudo opensnoop -- cat /etc/hostname     the opens of a command
  sudo opensnoop --summary -d 60          who opens most, and what?
  sudo opensnoop -o json | jq -r .file`,
		Version:               version,
		SilenceErrors:         true,
		SilenceUsage:          true,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && cmd.ArgsLenAtDash() == 0 {
				return &usageError{errors.New("-- and no command behind it")}
			}
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return &usageError{fmt.Errorf("unexpected argument %q: a command to trace comes behind --", args[0])}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) (err error) {
			if err := f.shape.check(); err != nil {
				return err
			}
			f.trace.Fields = f.shape.fields(&f.trace)
			if f.source {
				return printSource(stdout, f.trace)
			}
			*status, err = run(f, args, stdout, m)
			return err
		},
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{suggest(cmd.Flags(), err)}
	})
	cmd.SetOut(stdout)
	cmd.SetErr(m.w)
	cmd.SetVersionTemplate("opensnoop {{.Version}}\n")

	var groups []group
	add := func(title string, define func(fs *pflag.FlagSet)) {
		fs := pflag.NewFlagSet(title, pflag.ContinueOnError)
		fs.SortFlags = false
		define(fs)
		cmd.Flags().AddFlagSet(fs)
		groups = append(groups, group{title, fs})
	}
	add("What to show (of several values any must hold, of several flags all)", f.defineFilters)
	add("How it looks", f.defineShape)
	add("When to end, and what to trace", f.defineRun)
	add("About itself", func(fs *pflag.FlagSet) {
		fs.BoolVarP(&f.verbose, "verbose", "v", false, "tell on stderr which probe is used, and why")
		fs.BoolVar(&f.source, "ebpf", false, "print the BPF program in C with the flags to compile it, and end")
		fs.BoolP("help", "h", false, "show this help, and end")
		fs.Bool("version", false, "show the version, and end")
	})
	cmd.Flags().SetInterspersed(false)
	// bcc's long flags have underscores.
	cmd.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	cmd.AddCommand(newDoctorCommand(stdout))
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { printHelp(cmd, groups) })
	addCompletions(cmd)
	return cmd
}

func (f *flags) defineFilters(fs *pflag.FlagSet) {
	t := &f.trace
	fs.VarP((*pids)(&t.PIDs), "pid", "p", "opens of these processes; several by commas or by repeating it")
	fs.VarP((*pids)(&t.TIDs), "tid", "t", "of these threads, the same way; adds TID")
	fs.VarP((*users)(&t.UIDs), "uid", "u", "of these users, by name or number; adds UID")
	fs.VarP((*comms)(&t.Comms), "name", "n", "of processes whose comm contains this; may be repeated")
	fs.BoolVarP(&t.Failed, "failed", "x", false, "opens that fail; adds ERR")
	fs.VarP((*openFlags)(&t.Flags), "flag-filter", "f", "opens with any of these flags, such as O_WRONLY; may be repeated; adds FLAGS")
	fs.Var((*globs)(&t.Paths), "path", "names like this: * is anything without a slash, ** anything, dir/** is dir and all below; may be repeated")
	fs.Var((*globs)(&t.ExcludedPaths), "exclude-path", "no names like this; may be repeated")
	fs.Var((*pinned)(&t.Cgroups), "cgroupmap", "of cgroups whose ids are keys of the BPF map that is pinned there")
	fs.Var((*pinned)(&t.MountNamespaces), "mntnsmap", "of mount namespaces, the same way")
}

func (f *flags) defineShape(fs *pflag.FlagSet) {
	s := &f.shape
	fs.Var(&s.columns, "columns", "what to show, in this order, by commas: "+format.Names(format.Columns))
	fs.BoolVarP(&s.timestamp, "timestamp", "T", false, "add TIME(s), which the default layout has anyway")
	fs.BoolVarP(&s.printUID, "print-uid", "U", false, "add UID")
	fs.BoolVarP(&s.extended, "extended-fields", "e", false, "add FLAGS and MODE")
	fs.Var(newChoice(&s.layout, layoutDefault, layoutBCC), "layout", "the usual rows, or those of bcc's opensnoop")
	fs.VarP(newChoice(&s.format, formatTable, formatJSON, formatCSV), "output", "o", "a table, an object of JSON a line, or CSV")
	fs.VarP((*filePath)(&s.file), "write", "w", "write the rows into this new file, not to stdout")
	fs.BoolVar(&s.force, "force", false, "with -w, write over a file that exists")
	fs.Var(&s.summary, "summary", "no rows, but at the end or, with =10s, every 10 s, who opened most, and what")
	fs.Lookup("summary").NoOptDefVal = summaryAtEnd
	fs.Var(newChoice(&s.color, colorAuto, colorNever), "color", "on a terminal unless NO_COLOR is set, or never")
}

func (f *flags) defineRun(fs *pflag.FlagSet) {
	fs.VarP(&f.duration, "duration", "d", "end after this time: seconds, or like 1m30s")
	fs.VarP(&f.count, "count", "c", "end after this many rows")
	fs.Bool("exec", false, "all behind it is the command to trace, as behind --")
	fs.BoolVar(&f.asRoot, "as-root", false, "under sudo, run the command as root too")
	fs.Var((*probeKind)(&f.trace.Probe), "probe", "how to hook the kernel: auto, kprobe or tracepoint")
	fs.VarP((*pages)(&f.trace.BufferPages), "buffer-pages", "b",
		fmt.Sprintf("size of each CPU's buffer in pages, a power of two (default %d)", trace.DefaultBufferPages))
}

// printSource writes the C source, with the compiler's flags in a comment before.
func printSource(w io.Writer, opts trace.Options) error {
	code, flags, err := trace.Source(opts)
	if err != nil {
		return err
	}
	quoted := make([]string, len(flags))
	for i, flag := range flags {
		if strings.Contains(flag, " ") {
			flag = "'" + flag + "'"
		}
		quoted[i] = flag
	}
	_, err = fmt.Fprintf(w, "// Compiled with: %s\n%s", strings.Join(quoted, " "), code)
	if err != nil && !errors.Is(err, unix.EPIPE) {
		return fmt.Errorf("writing to stdout: %w", err)
	}
	return nil
}
