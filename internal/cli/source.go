package cli

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"opensnoop/internal/trace"
)

// printSource writes the C text that is compiled.
func (f *flags) printSource(w io.Writer) error {
	code, err := trace.Source(f.trace.Options, f.trace.Kernel)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, code); err != nil && !errors.Is(err, unix.EPIPE) {
		return fmt.Errorf("writing to stdout: %w", err)
	}
	return nil
}
