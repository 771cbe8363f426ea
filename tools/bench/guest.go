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

	"opensnoop/tools/guest"
)

// guestLimit is for a guest that moves without getting anywhere; what ends one that
// hangs is the watchdog.
const guestLimit = 3 * time.Hour

// runInGuest boots a kernel and runs this same program there. If the guest goes
// down or hangs, the report has what was measured until then, and says so.
func runInGuest(ctx context.Context, o options, dog *watchdog) (*report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := []string{self, "-in-guest", "-headers", o.headers}
	for _, peer := range o.peers {
		command = append(command, "-peer", peer)
	}
	out := &guestOutput{progress: os.Stderr, heard: dog.alive}
	status, err := guest.Run(ctx, guest.Config{
		Kernel:  o.kernel,
		Command: command,
		Env:     []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TMPDIR=/dev/shm"},
		Stdout:  out,
		Timeout: guestLimit,
	})
	return out.result(status, err)
}

// guestOutput takes the output of the guest, where stdout and stderr are one: lines
// with a report, of which the last counts, and others, which are passed on.
type guestOutput struct {
	progress io.Writer
	heard    func() // called for whatever comes
	report   *report
	line     []byte
}

func (o *guestOutput) Write(p []byte) (int, error) {
	o.heard()
	o.line = append(o.line, p...)
	for {
		line, rest, ok := bytes.Cut(o.line, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		o.line = rest
		if bytes.HasPrefix(line, []byte("{")) {
			r := &report{}
			if err := json.Unmarshal(line, r); err != nil {
				return 0, fmt.Errorf("reading the report: %w", err)
			}
			o.report = r
			continue
		}
		if _, err := fmt.Fprintf(o.progress, "%s\n", line); err != nil {
			return 0, err
		}
	}
}

// result returns the last report, if there is one, for how the guest ended.
func (o *guestOutput) result(status int, err error) (*report, error) {
	if err == nil && status != 0 {
		err = fmt.Errorf("the benchmark ended there with status %d", status)
	}
	switch {
	case o.report == nil && err == nil:
		return nil, errors.New("the benchmark gave no report there")
	case o.report == nil:
		return nil, err
	case err != nil && o.report.Incomplete != "":
		o.report.Incomplete = err.Error()
	}
	return o.report, nil
}
