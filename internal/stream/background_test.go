package stream

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

func missed(n int64) []byte { return fmt.Appendf(nil, "%d missed\n", n) }

func TestBackground(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b := NewBackground(w, missed)
	text := []byte("one\n")
	if n, err := b.Write(text); n != len(text) || err != nil {
		t.Errorf("Write returned %d, %v", n, err)
	}
	copy(text, "two\n") // it is the caller's again
	b.Write(text)
	b.Flush()
	w.Close()
	if got, err := io.ReadAll(r); string(got) != "one\ntwo\n" || err != nil {
		t.Errorf("%q came out, %v", got, err)
	}
}

// Texts that nobody reads hold up nobody. Those for which there is room come later, and it is
// told how many did not.
func TestBackgroundThatNobodyReads(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	b := NewBackground(w, missed)
	large := append(bytes.Repeat([]byte("x"), 1<<17), '\n')
	const texts = 2 * backlog
	b.Write(large) // the pipe does not hold even one
	eventually(t, "the writing", func() bool { return len(b.texts) == 0 })
	for range texts - 1 {
		b.Write(large)
	}
	b.Flush()
	read := func(n int) string {
		t.Helper()
		buf := make([]byte, n)
		if _, err := io.ReadFull(r, buf); err != nil {
			t.Fatal(err)
		}
		return string(buf)
	}
	read(len(large))
	told := fmt.Sprintf("%d missed\n", texts-backlog-1)
	if got := read(len(told)); got != told {
		t.Errorf("%q, want %q", got, told)
	}
	b.Write([]byte("at last\n"))
	if got := read(backlog*len(large) + len("at last\n")); !strings.HasSuffix(got, "x\nat last\n") {
		t.Errorf("it ends with %q", got[len(got)-20:])
	}
	eventually(t, "that it is not stalled", func() bool { b.Flush(); return !b.stalled.Load() })
}
