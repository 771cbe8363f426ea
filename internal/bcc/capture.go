package bcc

/*
#include <stdio.h>

static void flush_stdio(void) { fflush(NULL); }
*/
import "C"

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// capture runs f with the process's stdout and stderr going to memory, and
// returns what was written there. libbcc, clang and the kernel's verifier write
// to the C streams and descriptors, past Go; none of it may reach the user's
// rows. Nothing else should write to either while f runs.
func capture(f func()) (messages string, err error) {
	fd, err := unix.MemfdCreate("messages", unix.MFD_CLOEXEC)
	if err != nil {
		return "", fmt.Errorf("catching libbcc's messages: %w", err)
	}
	memory := os.NewFile(uintptr(fd), "messages")
	defer memory.Close()

	for _, stream := range []int{1, 2} {
		saved, err := unix.FcntlInt(uintptr(stream), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return "", fmt.Errorf("catching libbcc's messages: %w", err)
		}
		defer unix.Close(saved)
		C.flush_stdio()
		if err := unix.Dup3(fd, stream, 0); err != nil {
			return "", fmt.Errorf("catching libbcc's messages: %w", err)
		}
		defer unix.Dup3(saved, stream, 0)
	}
	f()
	C.flush_stdio()

	if _, err := memory.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("reading libbcc's messages: %w", err)
	}
	text, err := io.ReadAll(memory)
	if err != nil {
		return "", fmt.Errorf("reading libbcc's messages: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
