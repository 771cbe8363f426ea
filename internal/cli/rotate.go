package cli

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"opensnoop/internal/stream"
)

const (
	// keepOld is how many old files are kept, unless --rotate says.
	keepOld = 5
	keepMax = 1000

	// sizeMin is the smallest size of --rotate. Rows of files of less than sizeSmall are
	// written one by one, so that these do not become much larger than was asked for.
	sizeMin   = 1 << 10
	sizeSmall = 1 << 20
)

// rotation is the value of --rotate.
type rotation struct {
	size int64 // 0 is none
	keep int
	text string
}

func (o *outputOptions) defineRotate(fs *pflag.FlagSet) {
	fs.Var(&o.rotate, "rotate", fmt.Sprintf("when the file has this size, such as 20M, rename it to FILE.1, FILE.1 to FILE.2 and so on, and go on in a new one; keep COUNT old ones (%d)", keepOld))
}

func (r *rotation) Set(text string) error {
	sizeText, keepText, counted := strings.Cut(text, ",")
	size, err := parseSize(sizeText)
	keep := keepOld
	if counted && err == nil {
		keep, err = strconv.Atoi(keepText)
	}
	if err != nil || size < sizeMin || keep < 1 || keep > keepMax {
		return fmt.Errorf("expected a size from 1K on, and how many old files to keep, at most %d: 20M or 20M,5", keepMax)
	}
	*r = rotation{size, keep, text}
	return nil
}

func (r *rotation) String() string { return r.text }
func (*rotation) Type() string     { return "SIZE[,COUNT]" }

// parseSize reads a number of bytes: 4096, 64K, 20M, 1G.
func parseSize(text string) (int64, error) {
	number := strings.TrimRight(text, "kKmMgG")
	shift := map[string]uint{"": 0, "K": 10, "M": 20, "G": 30}
	by, ok := shift[strings.ToUpper(text[len(number):])]
	size, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !ok || size < 0 || size > math.MaxInt64>>by {
		return 0, errors.New("no size")
	}
	return size << by, nil
}

// rotating renames the file of a run when it is full.
type rotating struct {
	rotation
	path  string
	began int64 // how many bytes were written before this file
	close func(old *os.File) error
	tell  func(format string, args ...any)
}

// newRotating returns what does so, or nil if it is not asked for.
func (r *run) newRotating() *rotating {
	o := &r.flags.output
	if o.rotate.size == 0 {
		return nil
	}
	return &rotating{rotation: o.rotate, path: o.file, close: r.closeFile, tell: r.messages.printf}
}

// margin is what is left free at a file's end: room for the rows that are gathered before they are
// written.
func (r *rotating) margin() int64 { return min(r.size, sizeSmall) / 16 }

// rotateIfFull goes on in a new file if this one is full. Called between rows.
func (s *sink) rotateIfFull() error {
	r := s.rotate
	if r.size < sizeSmall {
		if err := s.Writer.Flush(); err != nil {
			return err
		}
	}
	full := r.began + r.size - r.margin()
	if s.packer != nil && s.out.bytes < full && s.out.bytes+int64(s.packer.Held()) >= full {
		if err := s.packer.FlushNow(); err != nil {
			return err
		}
	}
	if s.out.bytes < full {
		return nil
	}
	if err := s.endFile(); err != nil {
		return err
	}
	// Where there is no other file, it goes on in this one, and is tried again once as much is
	// written.
	old, err := s.nextFile()
	r.began = s.out.bytes
	if err != nil {
		return err
	}
	if old != nil {
		if err := r.close(old); err != nil {
			return fmt.Errorf("writing the file: %w", err)
		}
	}
	if s.packer != nil {
		s.packer.Reset()
	}
	if s.counts() { // it has no header, and a time that goes on
		return s.startRecord()
	}
	return s.begin()
}

// endFile writes what a file ends with that another goes on from.
func (s *sink) endFile() error {
	if err := s.Writer.Flush(); err != nil {
		return err
	}
	if s.records != nil {
		if err := s.records.Next(); err != nil {
			return err
		}
	}
	if s.packer != nil {
		return s.packer.Close()
	}
	return nil
}

// nextFile makes another file to write into, and returns the old one. It returns none where that
// cannot be, and an error where what is written then would be gone.
func (s *sink) nextFile() (old *os.File, err error) {
	old = s.out.out.File()
	file, err := stream.Rotate(s.rotate.path, s.rotate.keep)
	switch {
	case err == nil:
		s.out.out.Switch(file)
		return old, nil
	case stream.Removed(old):
		return nil, fmt.Errorf("%s was removed, and there can be no new one: %w", s.rotate.path, err)
	}
	s.rotate.tell("going on in the same file, as it cannot be rotated: %v", err)
	return nil, nil
}
