package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"opensnoop/internal/doctor"
	"opensnoop/internal/proc"
	"opensnoop/internal/stream"
)

// newDoctorCommand checks whether opensnoop can trace here.
func newDoctorCommand(i *invocation) *cobra.Command {
	var live, verbose bool
	var output string
	cmd := &cobra.Command{
		Use:   "doctor [flags]",
		Short: "Check whether opensnoop can trace here, and what to do if not",
		Long: `Checks what opensnoop needs of the kernel, its configuration, the libraries and
the user's rights. It says whether opensnoop can trace here, then what is wrong:
fail (it cannot trace) or warn (it can, but less well), each with what to do.
-v shows the checks that passed too. It works without root, as far as it can.

With --live it also runs three BPF programs, and says how long each stage took,
and what the compiler or the verifier said if one failed. It takes nothing from
other readers of trace_pipe, and leaves tracefs as it was.

The exit status is 0 if opensnoop can trace, and 1 if not, or if a live check
failed.`,
		Example: `  opensnoop doctor                        without root
  sudo opensnoop doctor --live            also tries it
  opensnoop doctor -o json | jq '.checks[] | select(.status != "ok")'`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("unexpected argument %q: doctor takes flags only", args[0])}
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			report := func(r *doctor.Report, w io.Writer) error { return r.Table(w, verbose) }
			if output == formatJSON {
				report = (*doctor.Report).JSON
			}
			i.interrupted.Store(exitFailure)
			return runDoctor(i.stdout, live, report)
		},
	}
	addBool(cmd.Flags(), &live, "live", "", "also run three BPF programs, stage by stage; needs root")
	addBool(cmd.Flags(), &verbose, "verbose", "v", "also show the checks that passed")
	cmd.Flags().VarP(newChoice(&output, []string{formatTable, formatJSON}), "output", "o", "write a table, or an object of JSON")
	addBool(cmd.Flags(), new(bool), "help", "h", "show this help, and end")
	addCompletions(cmd)
	return cmd
}

// runDoctor writes the doctor's report, with the live checks if asked for.
func runDoctor(stdout *os.File, live bool, write func(*doctor.Report, io.Writer) error) error {
	if err := stream.CheckStdout(stdout); err != nil {
		return err
	}
	system, err := doctor.Look()
	if err != nil {
		return err
	}
	report := doctor.NewReport(doctor.Examine(system))
	if live {
		report.AddLive(doctor.Live(system))
	}
	if err := write(report, stdout); err != nil && !errors.Is(err, unix.EPIPE) {
		return fmt.Errorf("writing to stdout: %w", err)
	}
	if !report.Well() {
		return errTold
	}
	return nil
}

// startError is an error of the tracer's start, which the doctor may explain.
type startError struct{ error }

func (e *startError) Unwrap() error { return e.error }

// explain tells what explains the error, unless it is a limit, which says so itself.
func explain(m *messages, err error) {
	if errors.As(err, new(proc.LimitError)) || proc.LimitRemedy(err) != "" {
		return
	}
	if start := (*startError)(nil); errors.As(err, &start) {
		for _, finding := range doctor.Explain(err) {
			m.lines(finding)
		}
	}
}
