package summary

import (
	"bytes"
	"encoding/json"
	"fmt"
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
	count(NewWriter(&b, WriterOptions{JSON: true}), "", `{"time":"2`)
	count(NewWriter(&b, WriterOptions{Every: time.Hour}), "", "3 opens, 0 failed\n")
	// Its time is always over.
	count(NewWriter(&b, WriterOptions{Every: -1}), "3 opens, 0 failed\n", "0 opens, 0 failed\n")
}

// Each summary tells of the time since the one before, of what was lost in it, and its own number.
func TestWriterTellsPeriods(t *testing.T) {
	var b bytes.Buffer
	seq := 0
	w := NewWriter(&b, WriterOptions{JSON: true, Every: -1, Begin: func(b []byte) []byte {
		seq++
		return fmt.Appendf(b, `"seq":%d,`, seq-1)
	}})
	if err := w.Header(); err != nil {
		t.Fatal(err)
	}
	for _, lost := range []uint64{0, 5, 5, 6} {
		w.Lost(lost)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	last := time.Time{}
	for i, want := range []uint64{0, 5, 0, 1} {
		var got struct {
			Seq     int
			Time    time.Time
			Seconds *float64
			Lost    uint64
		}
		line, err := b.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &got)
		}
		if err != nil || got.Seq != i || got.Lost != want || got.Seconds == nil || got.Time.Before(last) {
			t.Errorf("summary %d: %s, %v; want %d lost", i, line, err, want)
		}
		last = got.Time
	}
}
