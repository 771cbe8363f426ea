package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"opensnoop/internal/event"
	"opensnoop/internal/record"
)

// recorded returns events as a recording of them has them.
func recorded(t *testing.T, events []event.Event, short bool) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	s := record.New(&b, "run")
	if err := s.Start(record.Start{Probe: "kprobe", Columns: strings.Split(Names(Columns), ",")}); err != nil {
		t.Fatal(err)
	}
	w := NewJSON(&b, Options{Columns: Columns, Boot: atBoot, Begin: s.AppendSeq, Short: short})
	w.users = testUsers{}
	for i := range events {
		if err := w.Event(&events[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Flush(), s.End(record.Lost{Causes: map[string]uint64{"buffer": 1}})); err != nil {
		t.Fatal(err)
	}
	return &b
}

// Rows of a recording are those of the run that was recorded, in every format.
func TestRecordedRowsAreTheSame(t *testing.T) {
	// What a tracer records has all fields, or tells which could not be read.
	var events []event.Event
	for _, e := range testEvents {
		e.Fields |= allFields
		e.Time -= 1 // the first is at a whole µs, from which the layout of bcc counts
		events = append(events, e)
	}
	for name, make := range writers {
		for _, short := range []bool{false, true} {
			if name == "json-default" || name == "csv-default" || name == "table-default" {
				continue // the same with fewer columns
			}
			t.Run(fmt.Sprint(name, " short=", short), func(t *testing.T) {
				var want, got bytes.Buffer
				live := make(&want)
				for i := range events {
					if err := live.Event(&events[i]); err != nil {
						t.Fatal(err)
					}
				}
				in, err := record.NewReader(recorded(t, events, short))
				if err != nil {
					t.Fatal(err)
				}
				defer in.Close()
				again := make(&got)
				setBoot(again, in)
				var e event.Event
				for err = in.Next(&e); err == nil; err = in.Next(&e) {
					if err := again.Event(&e); err != nil {
						t.Fatal(err)
					}
				}
				if err != io.EOF || !in.Ended() || in.Gaps() != 0 {
					t.Fatalf("read to %v, ended %v, %d gaps", err, in.Ended(), in.Gaps())
				}
				if err := errors.Join(live.Flush(), again.Flush()); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.Bytes(), want.Bytes()) {
					t.Errorf("replayed:\n%s\nlive:\n%s", firstDifference(got.Bytes(), want.Bytes()), want.Bytes())
				}
			})
		}
	}
}

// setBoot has a writer take the time of day from a recording.
func setBoot(w Writer, in *record.Reader) {
	switch w := w.(type) {
	case *Table:
		w.boot = in.Boot
	case *JSON:
		w.boot = in.Boot
	case *CSV:
		w.boot = in.Boot
	}
}

func firstDifference(a, b []byte) string {
	as, bs := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range as {
		if i >= len(bs) || !bytes.Equal(as[i], bs[i]) {
			other := []byte("nothing")
			if i < len(bs) {
				other = bs[i]
			}
			return fmt.Sprintf("row %d: %s\nin place of %s", i, as[i], other)
		}
	}
	return ""
}
