package stream

import (
	"bytes"
	"io"
	"sync/atomic"
	"time"
)

const (
	// backlog is how many texts wait to be written at most.
	backlog = 256

	// backgroundTime is how long a text is waited for, as long as none before was waited for in
	// vain: usually it is then written before what comes next.
	backgroundTime = 100 * time.Millisecond
)

// Background writes texts in a goroutine: a reader who takes nothing holds nobody up. Its
// methods may be called at the same time.
type Background struct {
	texts   chan text
	stalled atomic.Bool
	missed  atomic.Int64 // texts for which there was no room
}

type text struct {
	bytes []byte
	done  chan struct{} // closed when it is written
}

// NewBackground returns a Background that writes to w, until the process ends. When w takes
// texts again after some were left out, missed says how many.
func NewBackground(w io.Writer, missed func(n int64) []byte) *Background {
	b := &Background{texts: make(chan text, backlog)}
	go func() {
		for t := range b.texts {
			if n := b.missed.Swap(0); n > 0 {
				_, _ = w.Write(missed(n))
			}
			if len(t.bytes) > 0 {
				_, _ = w.Write(t.bytes)
			}
			close(t.done)
			b.stalled.Store(false)
		}
	}()
	return b
}

// Write has a text written, as soon as w takes it. There is no error.
func (b *Background) Write(p []byte) (int, error) {
	t := text{bytes.Clone(p), make(chan struct{})}
	select {
	case b.texts <- t:
		b.wait(t)
	default:
		b.missed.Add(1)
	}
	return len(p), nil
}

// Flush waits until all is written that was before, as long as Write does.
func (b *Background) Flush() {
	t := text{done: make(chan struct{})}
	select {
	case b.texts <- t:
		b.stalled.Store(false)
		b.wait(t)
	default:
	}
}

func (b *Background) wait(t text) {
	if b.stalled.Load() {
		return
	}
	select {
	case <-t.done:
	case <-time.After(backgroundTime):
		b.stalled.Store(true)
	}
}
