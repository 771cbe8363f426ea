package probe

import (
	"errors"

	"opensnoop/internal/kernel"
)

// IOUring hooks the opens that come through io_uring, beside any probe: they are no
// system calls; with results, their completions too, and those first. The tracepoint of
// submitting got another name with Linux 6.3, and before 6.0 it had other arguments: then
// there is an error. Linux 5.6 brought such opens.
func IOUring(version kernel.Version, results bool) ([]Hook, error) {
	if version < kernel.NewVersion(6, 0, 0) {
		return nil, errors.New("the kernel is older than 6.0")
	}
	submit := Hook{
		Program: "uring_submit", Kind: RawTracepoint, At: []string{"io_uring_submit_req", "io_uring_submit_sqe"}, Optional: true, Calls: true,
	}
	if !results {
		return []Hook{submit}, nil
	}
	complete := Hook{Program: "uring_complete", Kind: RawTracepoint, At: []string{"io_uring_complete"}, Optional: true, Hidden: true}
	return []Hook{complete, submit}, nil
}
