package format

import (
	"io"
	"testing"
)

// No format allocates for an event, whichever columns it shows.
func TestAllocations(t *testing.T) {
	for name, newWriter := range writers {
		w := newWriter(io.Discard)
		write := func() {
			for i := range testEvents {
				if err := w.Event(&testEvents[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		write() // finds the users
		if n := testing.AllocsPerRun(1000, write); n != 0 {
			t.Errorf("%s: %v allocations for %d events", name, n, len(testEvents))
		}
	}
}

func BenchmarkEvent(b *testing.B) {
	e := &testEvents[0]
	for _, name := range []string{"table-default", "table-all", "bcc-extended", "json-default", "json-all", "csv-all"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			w := writers[name](io.Discard)
			for b.Loop() {
				if err := w.Event(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
