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
	zip     *zstd.Encoder
	next    time.Time // when to write what was compressed
	written bool      // there is some
}

// NewPacker returns a Packer that writes to w.
func NewPacker(w io.Writer) (*Packer, error) {
	zip, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(zstd.MinWindowSize<<7), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	return &Packer{zip: zip}, nil
}

// Write compresses whole lines.
func (p *Packer) Write(b []byte) (int, error) {
	p.written = true
	return p.zip.Write(b)
}

// Flush writes what was compressed, at most once a second, so that it can be read.
func (p *Packer) Flush() error {
	now := time.Now()
	if !p.written || now.Before(p.next) {
		return nil
	}
	p.written, p.next = false, now.Add(packTime)
	return p.zip.Flush()
}

// Close writes the rest.
func (p *Packer) Close() error { return p.zip.Close() }
