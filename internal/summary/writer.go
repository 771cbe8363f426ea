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
	Top   int   // as in Options
	Order Order // as in Options
	Color bool  // as in Options
	Took  bool  // as in Options
	// Begin is as [format.Options.Begin], of each summary in JSON.
	Begin func(b []byte) []byte
	// Every is the time from one summary to the next; 0 is for one at the end.
	Every time.Duration
	// Now is the clock by which a summary's time comes; nil is the time of day.
	Now func() time.Time
}

// Writer is what counts events where a [format.Writer] writes rows.
//
// [format.Writer]: opensnoop/internal/format.Writer
type Writer struct {
	summary *Summary
	w       io.Writer
	o       WriterOptions
	next    time.Time
	since   time.Time // the summary's first moment
	lost    uint64    // opens that the session lost so far,
	told    uint64    // and those among them that a summary has told
}

// NewWriter returns a Writer of summaries to w.
func NewWriter(w io.Writer, o WriterOptions) *Writer {
	return &Writer{summary: New(Options{Top: o.Top, By: o.By, Order: o.Order, Results: true, Took: o.Took, Color: o.Color}), w: w, o: o}
}

// Header writes nothing; the time to the first summary begins.
func (w *Writer) Header() error {
	w.since = w.now()
	w.next = w.since.Add(w.o.Every)
	return nil
}

func (w *Writer) now() time.Time {
	if w.o.Now != nil {
		return w.o.Now()
	}
	return time.Now()
}

// Lost says how many opens the session has lost so far, for the summary to tell of those that
// were lost in its time.
func (w *Writer) Lost(opens uint64) { w.lost = opens }

// Event counts an open.
func (w *Writer) Event(e *event.Event) error {
	w.summary.Add(e)
	return nil
}

// Flush writes the summary when its time has come, and begins a new one.
func (w *Writer) Flush() error {
	if w.o.Every == 0 || w.now().Before(w.next) {
		return nil
	}
	w.next = w.next.Add(w.o.Every)
	err := w.Close()
	w.summary.Reset()
	return err
}

// Close writes what was counted since the last summary.
func (w *Writer) Close() error {
	now := w.now()
	period := Period{End: now, Length: now.Sub(w.since), Lost: w.lost - w.told}
	w.since, w.told = now, w.lost
	if w.o.JSON {
		return w.summary.WriteJSON(w.w, period, w.o.Begin)
	}
	return w.summary.writeTable(w.w)
}
