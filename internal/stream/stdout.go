package stream

// #include "stdout.h"
import "C"

import (
	"errors"
	"os"
)

// errClosed is a stdout that is none, as by >&- of a shell.
var errClosed = errors.New("stdout is closed: redirect it to /dev/null if it is not wanted")

// CheckStdout returns an error if file is the process's stdout, and that was closed
// when the process was started: Go has /dev/null in its place.
func CheckStdout(file *os.File) error {
	if file.Fd() == 1 && C.opensnoop_stdout_closed() != 0 {
		return errClosed
	}
	return nil
}
