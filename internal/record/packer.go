package record

import (
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
)

// packTime is how much of a recording is lost at most when its writer is killed.
const packTime = time.Second

// Packer compresses a stream as recordings are (zstd).
type Packer struct {
	zip  *zstd.Encoder
	w    io.Writer
	next time.Time // when to write what was compressed
	held int       // bytes that were given to it since
}

// NewPacker returns a Packer that writes to w.
func NewPacker(w io.Writer) (*Packer, error) {
	zip, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(zstd.MinWindowSize<<7), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	return &Packer{zip: zip, w: w}, nil
}

// Write compresses whole lines.
func (p *Packer) Write(b []byte) (int, error) {
	p.held += len(b)
	return p.zip.Write(b)
}

// Flush writes what was compressed, at most once a second, so that it can be read.
func (p *Packer) Flush() error {
	now := time.Now()
	if p.held == 0 || now.Before(p.next) {
		return nil
	}
	p.next = now.Add(packTime)
	return p.FlushNow()
}

// FlushNow is Flush at any time.
func (p *Packer) FlushNow() error {
	p.held = 0
	return p.zip.Flush()
}

// Held is how many bytes may not be written yet, before they are compressed.
func (p *Packer) Held() int { return p.held }

// Reset begins another file, after Close.
func (p *Packer) Reset() {
	p.held = 0
	p.zip.Reset(p.w)
}

// Close writes the rest.
func (p *Packer) Close() error { return p.zip.Close() }
