package terminal

import (
	"os"
	"testing"
)

func TestNoTerminal(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	if Is(read) {
		t.Error("a pipe is a terminal")
	}
	if width, height := Size(read); width != usualWidth || height != usualHeight {
		t.Errorf("a pipe is of %d by %d", width, height)
	}
	if _, err := OpenKeys(read); err == nil {
		t.Error("a pipe has keys")
	}
}
