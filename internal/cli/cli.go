// Package cli is opensnoop's command line: its flags, signals, messages and exit
// status.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"opensnoop/internal/bcc"
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
	m := &messages{w: stderr}
	cmd := newCommand(version, stdout, m)
	cmd.SetArgs(args)
	err := cmd.Execute()
	if err == nil {
		return exitOK
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
	duration seconds
	count    count
	verbose  bool
	source   bool
}

func newCommand(version string, stdout *os.File, m *messages) *cobra.Command {
	f := flags{}
	cmd := &cobra.Command{
		Use:   "opensnoop [flags]",
		Short: "Show every file that any process opens",
		Long: `Shows every file that any process opens, as it happens: a row for each
open(2), openat(2), openat2(2) and creat(2), of 64-bit and 32-bit programs,
successful or not. It needs root, or the capabilities CAP_BPF and CAP_PERFMON.

Bytes of a name that could garble a terminal come as \n, \t or \xHH, and a
backslash as \\. Rows go to stdout, everything else to stderr.`,
		Example: `  sudo opensnoop                       everything, until Ctrl-C
  sudo opensnoop -d 10 > opens.txt     for ten seconds, into a file
  sudo opensnoop | grep '\.conf$'      who reads configuration?
  sudo opensnoop -p $(pgrep -d, nginx) the files of some processes
  sudo opensnoop | awk '{n[$2]++} END {for (c in n) print n[c], c}'`,
		Version:               version,
		SilenceErrors:         true,
		SilenceUsage:          true,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("unexpected argument %q: opensnoop takes flags only", args[0])}
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			if f.source {
				return printSource(stdout, f.trace)
			}
			return run(f, stdout, m)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	cmd.SetOut(stdout)
	cmd.SetErr(m.w)

	fs := cmd.Flags()
	fs.SortFlags = false
	fs.VarP((*pids)(&f.trace.PIDs), "pid", "p", "trace only these processes; several by commas or by repeating it")
	fs.VarP(&f.duration, "duration", "d", "end after this time: seconds, or like 1m30s")
	fs.VarP(&f.count, "count", "c", "end after this many rows")
	fs.Var((*probeKind)(&f.trace.Probe), "probe", "how to hook the kernel: auto, kprobe or tracepoint")
	fs.VarP((*pages)(&f.trace.BufferPages), "buffer-pages", "b",
		fmt.Sprintf("size of each CPU's buffer in pages, a power of two (default %d)", trace.DefaultBufferPages))
	fs.BoolVar(&f.source, "ebpf", false, "print the BPF program in C with the flags to compile it, and end")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "tell on stderr which probe is used, and why")
	fs.BoolP("help", "h", false, "show this help, and end")
	fs.Bool("version", false, "show the version, and end")
	cmd.AddCommand(newDoctorCommand(stdout))
	cmd.SetVersionTemplate("opensnoop {{.Version}}\n")
	return cmd
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
	if err != nil && !errors.Is(err, errReaderLeft) {
		return fmt.Errorf("writing to stdout: %w", err)
	}
	return nil
}
