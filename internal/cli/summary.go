package cli

import (
	"io"
	"time"

	"opensnoop/internal/event"
	"opensnoop/internal/summary"
)

// totals are what --summary shows in place of rows.
type totals struct {
	summary *summary.Summary
	w       io.Writer
	json    bool
	every   time.Duration // 0: only at the end
	next    time.Time
}

func newTotals(w io.Writer, s *shape, color bool) *totals {
	return &totals{
		summary: summary.New(summary.Options{Results: true, Color: color}),
		w:       w,
		json:    s.format == formatJSON,
		every:   time.Duration(s.summary.every),
	}
}

// Header writes nothing.
func (t *totals) Header() error {
	t.next = time.Now().Add(t.every)
	return nil
}

// Event counts an open.
func (t *totals) Event(e *event.Event) error {
	t.summary.Add(e)
	return nil
}

// Flush writes the summary when its time has come, and begins a new one.
func (t *totals) Flush() error {
	if t.every == 0 || time.Now().Before(t.next) {
		return nil
	}
	t.next = t.next.Add(t.every)
	err := t.write()
	t.summary.Reset()
	return err
}

// write writes the summary.
func (t *totals) write() error {
	if t.json {
		return t.summary.WriteJSON(t.w)
	}
	return t.summary.WriteTable(t.w)
}
