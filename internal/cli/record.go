package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"opensnoop/internal/format"
	"opensnoop/internal/kernel"
	"opensnoop/internal/plan"
	"opensnoop/internal/stream"
)

// newRecordCommand writes a recording.
func newRecordCommand(i *invocation) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "record [flags] FILE [-- COMMAND [ARGUMENT…]]",
		Short: "Record everything about each open, to look at later",
		Long: `Writes a recording: a row for each open, with all columns that this kernel can
show, and for each file that is executed. --lookups adds what is only checked.
A recording is JSON lines, compressed with zstd. It has mode 0600 and is written
out each second. With a COMMAND it records the command and all that it starts.
FILE may be - for stdout.`,
		Example: `  sudo opensnoop record make.osn -- make
  sudo opensnoop record night.osn -d 8h --path '/etc/**'
  opensnoop replay make.osn -x -F`,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); len(args) == 0 || dash < 0 && len(args) > 1 || dash >= 0 && dash != 1 || dash == len(args) {
				return &usageError{errors.New("record takes one file, and a command after --: opensnoop record FILE -- COMMAND")}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return f.record(i, args[0], args[1:]) },
	}
	f.filters = pflag.NewFlagSet("", pflag.ContinueOnError)
	f.defineFilters(f.filters)
	cmd.Flags().AddFlagSet(f.filters)
	f.defineRun(cmd.Flags())
	f.output = recordOutput()
	addBool(cmd.Flags(), &f.output.force, "force", "", "write over a file that exists")
	f.output.defineRotate(cmd.Flags())
	f.defineVerbose(cmd.Flags())
	cmd.Flags().SortFlags = false
	addCompletions(cmd)
	return cmd
}

// recordOutput is what the output of a recording is.
func recordOutput() outputOptions {
	return outputOptions{layout: layoutDefault, format: formatJSON, color: colorNever, sort: orders[0], stream: true, packed: true}
}

// record records into a file.
func (f *flags) record(i *invocation, path string, command []string) (err error) {
	if path != "-" {
		if err := (*filePath)(&f.output.file).Set(path); err != nil {
			return &usageError{err}
		}
	} else if stream.IsTerminal(i.stdout) {
		return &usageError{errors.New("a recording is not for terminals: name a file, or pipe it into another command")}
	}
	if f.trace.Kernel, err = kernel.CurrentFacts(); err != nil {
		return err
	}
	f.trace.Execs = plan.CanShowExecs(f.trace.Kernel) == nil
	for _, c := range format.Columns {
		if plan.Supports(c.Needs, f.trace.Kernel) == nil && (c.Name != "depth" || f.follow || len(command) > 0 && !f.noFollow) &&
			(c.Name != "op" || f.trace.Lookups) {
			f.output.columns = append(f.output.columns, c)
		}
	}
	return f.execute(i, command)
}

// recordStatus shows on a terminal how far a recording is, in one line.
type recordStatus struct {
	to   io.Writer // nil: nothing is shown
	next time.Time

	mu    sync.Mutex // messages come from several goroutines
	shown int        // characters
}

// newRecordStatus returns what shows it on stderr, if that is a terminal, and has messages clear it
// before they are written.
func (r *run) newRecordStatus() *recordStatus {
	s := &recordStatus{}
	if r.messages.terminal && r.flags.output.packed {
		s.to = r.messages.redirect(s)
	}
	return s
}

// Write writes a message.
func (s *recordStatus) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	return s.to.Write(p)
}

// clear takes the line away.
func (s *recordStatus) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
}

func (s *recordStatus) erase() {
	if s.shown > 0 {
		// No escape sequence: any terminal can do this.
		io.WriteString(s.to, "\r"+strings.Repeat(" ", s.shown)+"\r")
		s.shown = 0
	}
}

// show shows it, each second.
func (s *recordStatus) show(rows uint64, bytes int64, lost uint64) {
	now := time.Now()
	if s.to == nil || now.Before(s.next) {
		return
	}
	s.next = now.Add(time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	line := fmt.Sprintf("%d rows, %s, %d lost", rows, size(bytes), lost)
	io.WriteString(s.to, line)
	s.shown = len(line)
}

// size is a number of bytes for people.
func size(bytes int64) string {
	if bytes < 1e6 {
		return fmt.Sprintf("%.1f kB", float64(bytes)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
}

// written counts the bytes that are written to a stream.
type written struct {
	out   *stream.Stream
	bytes int64
}

func (w *written) Write(p []byte) (int, error) {
	n, err := w.out.Write(p)
	w.bytes += int64(n)
	return n, err
}

// whole is the row end of what has no rows that can be told: all of it is one.
func whole(rows []byte) int { return len(rows) }
