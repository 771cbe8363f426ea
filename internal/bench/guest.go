package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"opensnoop/internal/guest"
)

// guestLimit ends a guest that hangs. Emulated, bcc may need a minute to compile.
const guestLimit = 5 * time.Minute

// runInGuest boots a kernel from a folder and runs this same program there. What
// it says on the way goes to progress.
func runInGuest(ctx context.Context, kernel, headers string, progress io.Writer) (*report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	out := &guestOutput{progress: progress}
	status, err := guest.Run(ctx, guest.Config{
		Kernel:  kernel,
		Command: []string{self, "-in-guest", "-headers", headers},
		Env:     []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TMPDIR=/dev/shm"},
		Stdout:  out,
		Timeout: guestLimit,
	})
	if err != nil {
		return nil, err
	}
	if status != 0 {
		return nil, fmt.Errorf("the benchmark ended there with status %d", status)
	}
	if out.report == nil {
		return nil, errors.New("the benchmark gave no report there")
	}
	return out.report, nil
}

// guestOutput takes the output of the guest, where stdout and stderr are one: a
// line with the report, and others, which are passed on.
type guestOutput struct {
	progress io.Writer
	report   *report
	line     []byte
}

func (o *guestOutput) Write(p []byte) (int, error) {
	o.line = append(o.line, p...)
	for {
		line, rest, ok := bytes.Cut(o.line, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		o.line = rest
		if bytes.HasPrefix(line, []byte("{")) {
			o.report = &report{}
			if err := json.Unmarshal(line, o.report); err != nil {
				return 0, fmt.Errorf("reading the report: %w", err)
			}
			continue
		}
		if _, err := fmt.Fprintf(o.progress, "%s\n", line); err != nil {
			return 0, err
		}
	}
}
