package bcc

import (
	"os"
	"strings"
	"testing"
)

func TestCaptureTakesBothStreamsInOrder(t *testing.T) {
	before := descriptors(t)
	var messages string
	var err error
	stdout, stderr := streams(t, func() {
		os.Stdout.WriteString("before;")
		messages, err = capture(func() {
			os.Stdout.WriteString("\n one ")
			os.Stderr.WriteString("two ")
			os.Stdout.WriteString("three\n")
		})
		os.Stdout.WriteString("after")
		os.Stderr.WriteString("after")
	})
	if err != nil || messages != "one two three" {
		t.Errorf("messages %q, error %v", messages, err)
	}
	if stdout != "before;after" || stderr != "after" {
		t.Errorf("stdout got %q, stderr %q", stdout, stderr)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// More than a pipe would hold, of which nobody reads while it is written.
func TestCaptureHasNoLimit(t *testing.T) {
	line := strings.Repeat("x", 1023) + "\n"
	messages, err := capture(func() {
		for range 1024 {
			os.Stderr.WriteString(line)
		}
	})
	if err != nil || len(messages) != 1<<20-1 {
		t.Errorf("%d bytes of messages, error %v", len(messages), err)
	}
}
