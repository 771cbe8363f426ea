package summary

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestWriter(t *testing.T) {
	var b bytes.Buffer
	count := func(w *Writer, wantAfterFlush, wantAfterClose string) {
		t.Helper()
		b.Reset()
		if err := w.Header(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := w.Event(open(1, "cat", "/a", 3)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); (got == "") != (wantAfterFlush == "") || !strings.HasPrefix(got, wantAfterFlush) {
			t.Errorf("after Flush: %q, want %q", got, wantAfterFlush)
		}
		b.Reset()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); !strings.HasPrefix(got, wantAfterClose) {
			t.Errorf("after Close: %q, want %q", got, wantAfterClose)
		}
	}
	count(NewWriter(&b, WriterOptions{}), "", "3 opens, 0 failed\n")
	count(NewWriter(&b, WriterOptions{JSON: true}), "", `{"opens":3,`)
	count(NewWriter(&b, WriterOptions{Every: time.Hour}), "", "3 opens, 0 failed\n")
	// Its time is always over.
	count(NewWriter(&b, WriterOptions{Every: -1}), "3 opens, 0 failed\n", "0 opens, 0 failed\n")
}
