package stream

import (
	"os"
	"slices"
	"testing"
)

func TestNoTerminal(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	if IsTerminal(read) {
		t.Error("a pipe is a terminal")
	}
	if width, height := TerminalSize(read); width != usualWidth || height != usualHeight {
		t.Errorf("a pipe is of %d by %d", width, height)
	}
	input, err := OpenInput(read)
	if err == nil || input.HasKeys() {
		t.Error("a pipe has keys")
	}
	if err := input.Close(); err != nil {
		t.Error(err)
	}
}

func TestKeys(t *testing.T) {
	for sent, want := range map[string][]Key{
		"q":                      {'q'},
		"/ab\r":                  {'/', 'a', 'b', Enter},
		"\n\x7f\b\t":             {Enter, Backspace, Backspace, Tab},
		"\x1b":                   {Escape},
		"\x1b[A\x1bOBx\x1b[6~":   {Up, Down, 'x', PageDown},
		"\x1b[1;5C\x1b[H\x1b[4~": {Home, End}, // Ctrl and an arrow come first
		"\x1b[":                  {Escape, '['},
		"\x1b[200":               nil,
		"é\xff€":                 {'é', '€'},
	} {
		if got := appendKeys(nil, []byte(sent)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", sent, got, want)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("a\x1b[5~\x1b\x1b[[A\x1bO"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		if keys := appendKeys(nil, sent); len(keys) > len(sent) {
			t.Errorf("%d keys of %d bytes", len(keys), len(sent))
		}
	})
}
