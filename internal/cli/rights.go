package cli

import (
	"errors"
	"os"
)

// checkRights returns an error if the process has another user's rights than who called it:
// the files that it writes, and the environment, are the caller's choice. Rights to trace,
// by file capabilities, are another matter.
func checkRights() error {
	if os.Getuid() == os.Geteuid() && os.Getgid() == os.Getegid() {
		return nil
	}
	return errors.New("no tracing by the setuid or setgid bit: chmod ug-s; use sudo, or setcap cap_bpf,cap_perfmon+ep")
}
