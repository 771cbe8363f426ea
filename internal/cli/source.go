package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"opensnoop/internal/trace"
)

// printSource writes the C source, with the compiler's flags in a comment before.
func (f *flags) printSource(w io.Writer) error {
	code, flags, err := trace.Source(f.trace.Options, f.trace.Kernel)
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
