package probe

import (
	"errors"

	"opensnoop/internal/kernel"
)

// IOUring hooks the opens that come through io_uring, beside any probe: they are no
// system calls. The tracepoint got another name with Linux 6.3, and before 6.0 it had
// other arguments: then there is an error. Linux 5.6 brought such opens.
func IOUring(version kernel.Version) (Hook, error) {
	if version < kernel.NewVersion(6, 0, 0) {
		return Hook{}, errors.New("the kernel is older than 6.0")
	}
	return Hook{
		Program: "uring_submit", Kind: RawTracepoint, At: []string{"io_uring_submit_req", "io_uring_submit_sqe"}, Optional: true,
	}, nil
}
