package summary

import (
	"io"
	"time"

	"opensnoop/internal/event"
)

// WriterOptions say what a Writer writes, and when.
type WriterOptions struct {
	By    []*By // what to count by; Usual if there is none
	JSON  bool  // objects on lines, not tables
	Color bool  // as in Options
	// Every is the time from one summary to the next; 0 is for one at the end.
	Every time.Duration
}

// Writer is what counts events where a [format.Writer] writes rows.
//
// [format.Writer]: opensnoop/internal/format.Writer
type Writer struct {
	summary *Summary
	w       io.Writer
	o       WriterOptions
	next    time.Time
}

// NewWriter returns a Writer of summaries to w.
func NewWriter(w io.Writer, o WriterOptions) *Writer {
	return &Writer{summary: New(Options{By: o.By, Results: true, Color: o.Color}), w: w, o: o}
}

// Header writes nothing; the time to the first summary begins.
func (w *Writer) Header() error {
	w.next = time.Now().Add(w.o.Every)
	return nil
}

// Event counts an open.
func (w *Writer) Event(e *event.Event) error {
	w.summary.Add(e)
	return nil
}

// Flush writes the summary when its time has come, and begins a new one.
func (w *Writer) Flush() error {
	if w.o.Every == 0 || time.Now().Before(w.next) {
		return nil
	}
	w.next = w.next.Add(w.o.Every)
	err := w.Close()
	w.summary.Reset()
	return err
}

// Close writes what was counted since the last summary.
func (w *Writer) Close() error {
	if w.o.JSON {
		return w.summary.WriteJSON(w.w)
	}
	return w.summary.WriteTable(w.w)
}
