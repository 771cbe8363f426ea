package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"opensnoop/internal/record"
)

// recording is a recording that is read.
type recording struct {
	*record.Reader
	file *os.File
	idle func() error // called before nothing is to be read for the moment; may be nil
}

// openRecording opens a recording; - is stdin. Reading ends with ctx.
func openRecording(ctx context.Context, path string) (*recording, error) {
	debug.SetGCPercent(25) // what is kept of it is in few pieces without pointers, which cost nothing to collect
	file := os.Stdin
	if path != "-" {
		var err error
		if file, err = os.Open(path); err != nil {
			return nil, fmt.Errorf("opening the recording: %w", err)
		}
	}
	r := &recording{file: file}
	st, err := file.Stat()
	if err == nil && st.IsDir() {
		r.closeFile()
		return nil, fmt.Errorf("reading %s: it is a folder, and no recording", path)
	}
	if r.Reader, err = record.NewReader(newChunks(ctx, file, r.beforeWait)); err != nil {
		r.closeFile()
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return r, nil
}

func (r *recording) beforeWait() error {
	if r.idle == nil {
		return nil
	}
	return r.idle()
}

// Close frees what reading needs.
func (r *recording) Close() {
	r.Reader.Close()
	r.closeFile()
}

func (r *recording) closeFile() {
	if r.file != os.Stdin {
		r.file.Close()
	}
}

// chunks reads ahead from what may block, as a pipe does.
type chunks struct {
	ctx        context.Context
	beforeWait func() error
	full, free chan []byte
	rest       []byte // of current
	current    []byte
	err        error // of reading; set before full is closed
}

const chunkSize = 128 << 10

func newChunks(ctx context.Context, in io.Reader, beforeWait func() error) *chunks {
	c := &chunks{ctx: ctx, beforeWait: beforeWait, full: make(chan []byte, 2), free: make(chan []byte, 2)}
	c.free <- make([]byte, chunkSize)
	c.free <- make([]byte, chunkSize)
	go func() {
		defer close(c.full)
		for {
			select {
			case b := <-c.free:
				n, err := in.Read(b[:chunkSize])
				if n > 0 {
					c.full <- b[:n]
				}
				if err != nil {
					c.err = err
					return
				}
			case <-ctx.Done():
				c.err = ctx.Err()
				return
			}
		}
	}()
	return c
}

// Read ends with the context's error once that has ended.
func (c *chunks) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *chunks) next() error {
	if c.current != nil {
		c.free <- c.current
		c.current = nil
	}
	var ok bool
	select {
	case c.rest, ok = <-c.full:
	default:
		if err := c.beforeWait(); err != nil {
			return err
		}
		select {
		case c.rest, ok = <-c.full:
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	if !ok {
		if errors.Is(c.err, os.ErrClosed) {
			return io.EOF
		}
		return c.err
	}
	c.current = c.rest
	return nil
}
