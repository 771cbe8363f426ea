package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"opensnoop/internal/event"
)

const (
	// lineMax is the most bytes of a line. The longest row, with every string of its longest and
	// all escaped, has less than a third.
	lineMax = 1 << 20

	// windowMax and memoryMax bound what a compressed recording may make us hold.
	windowMax = 8 << 20
	memoryMax = 32 << 20

	// Recordings are compressed to a 20th or so. What grows to more than ratioMax times its size
	// was made to fill us.
	ratioMax  = 1000
	ratioFrom = 64 << 20 // of what is unpacked
)

// ErrDamaged is an error that means a recording cannot be read any further.
var ErrDamaged = errors.New("the recording is damaged")

// damage is where a recording cannot be read any further, and why.
type damage struct {
	line int
	rows uint64
	err  error
}

func (d *damage) Error() string {
	if errors.Is(d.err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("%v: it is cut short in line %d, behind %d rows", ErrDamaged, d.line, d.rows)
	}
	return fmt.Sprintf("%v in line %d, behind %d rows: %v", ErrDamaged, d.line, d.rows, d.err)
}

func (d *damage) Unwrap() error        { return d.err }
func (d *damage) Is(target error) bool { return target == ErrDamaged }

var errNoStart = errors.New("it does not begin with a start record: is it written by opensnoop record, or by -o json --stream?")

// Reader reads a stream of rows and control records, compressed or not.
type Reader struct {
	in    *bufio.Reader
	close func()
	row   row
	lines int
	rows  uint64

	start   Start
	run     string
	lost    Lost
	earlier Lost // before the start
	ended   bool

	// Of runs before this one, where recordings stand one behind the other. There may be very many.
	lostBefore, doubtfulBefore uint64
	cut                        bool   // one of them has not ended
	cutRows                    uint64 // where the first such one ends

	before uint64 // the last seq and 1
	gaps   uint64
}

// NewReader returns a Reader of in, which may be hostile, and reads to the start record.
func NewReader(in io.Reader) (*Reader, error) {
	raw := &counter{r: in}
	r := &Reader{in: bufio.NewReaderSize(raw, 64<<10), close: func() {}}
	if magic, _ := r.in.Peek(4); bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		unpacked, err := zstd.NewReader(r.in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(windowMax), zstd.WithDecoderMaxMemory(memoryMax))
		if err != nil {
			return nil, err
		}
		r.close = unpacked.Close
		r.in = bufio.NewReaderSize(&bomb{r: unpacked, raw: raw}, 64<<10)
	}
	var e event.Event
	isRow, err := r.next(&e)
	switch {
	case errors.Is(err, io.EOF):
		err = errors.New("it is empty")
	case err == nil && (isRow || r.start.Format == 0), errors.Is(err, errSyntax):
		err = errNoStart
	case err == nil && r.start.Format > Format:
		err = fmt.Errorf("it is of the format %d, and this opensnoop reads up to %d: a newer one can read it", r.start.Format, Format)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Close frees what unpacking needs.
func (r *Reader) Close() { r.close() }

// Next reads the next row into e, which is valid until the next call. The error is io.EOF at the
// end, and wraps [ErrDamaged] where the rest cannot be read.
func (r *Reader) Next(e *event.Event) error {
	for {
		isRow, err := r.next(e)
		if isRow || err != nil {
			return err
		}
	}
}

// next reads a line.
func (r *Reader) next(e *event.Event) (isRow bool, err error) {
	line, err := r.line()
	if err != nil {
		return false, err
	}
	isRow, err = r.row.decode(line, e)
	if err == nil && !isRow {
		err = r.control(line)
	}
	if err != nil {
		return false, r.damaged(err)
	}
	if !isRow {
		return false, nil
	}
	r.rows++
	if r.row.hasSeq {
		if r.row.seq > r.before {
			r.gaps += r.row.seq - r.before
		}
		r.before = r.row.seq + 1
	}
	return true, nil
}

// line reads a line. One without an end is damaged, as what is cut short.
func (r *Reader) line() ([]byte, error) {
	r.lines++
	line, err := r.in.ReadSlice('\n')
	if err == nil {
		return line, nil
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		return r.longLine(slices.Clone(line))
	}
	if errors.Is(err, io.EOF) && len(line) == 0 {
		return nil, io.EOF
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return nil, r.damaged(err)
}

// longLine reads the rest of a line that is longer than the buffer.
func (r *Reader) longLine(line []byte) ([]byte, error) {
	for {
		more, err := r.in.ReadSlice('\n')
		line = append(line, more...)
		switch {
		case len(line) > lineMax:
			if r.lines == 1 {
				return nil, errNoStart
			}
			return nil, r.damaged(fmt.Errorf("a line of more than %d bytes", lineMax))
		case err == nil:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, r.damaged(err)
		}
	}
}

func (r *Reader) damaged(err error) error {
	return &damage{r.lines, r.rows, err}
}

// control takes what a control record says.
func (r *Reader) control(line []byte) error {
	var c control
	c.Start = &Start{}
	if err := json.Unmarshal(line, &c); err != nil {
		return errSyntax
	}
	switch c.Record {
	case "start":
		r.begin(&c)
	case "end", "next":
		r.ended = true
		fallthrough
	default:
		if c.Rows > r.before {
			r.gaps += c.Rows - r.before
			r.before = c.Rows
		}
		r.lost = Lost{c.Lost, c.Doubtful}
	}
	return nil
}

// begin begins with a file. One that goes on from another, which --rotate renamed, has rows and
// losses before it that are not missing here, if that one was not read.
func (r *Reader) begin(c *control) {
	if c.Run != r.run {
		r.lostBefore, r.doubtfulBefore = r.Lost()
		r.lost = Lost{}
		if !r.cut && r.run != "" && !r.ended {
			r.cut, r.cutRows = true, r.rows
		}
		r.before, r.earlier = c.Rows, Lost{c.Lost, c.Doubtful}
	}
	r.start, r.run, r.ended = *c.Start, c.Run, false
	r.gaps += max(c.Rows, r.before) - r.before
	r.before = c.Rows
	r.row.expect(c.Start.Columns)
}

// Start is what the start record says.
func (r *Reader) Start() Start { return r.start }

// Lost is what the last control record says of lost opens, less those before the start: how many,
// and how many more there may be; of all runs that are in it.
func (r *Reader) Lost() (lost, doubtful uint64) {
	lost = r.lostBefore
	for cause, n := range r.lost.Causes {
		lost += n - min(n, r.earlier.Causes[cause])
	}
	return lost, r.doubtfulBefore + r.lost.Doubtful - min(r.lost.Doubtful, r.earlier.Doubtful)
}

// Rows is how many rows were read.
func (r *Reader) Rows() uint64 { return r.rows }

// Gaps is how many rows were numbered and are not there.
func (r *Reader) Gaps() uint64 { return r.gaps }

// Ended reports whether the end was read, of the run or of one of its files: the recording is whole.
func (r *Reader) Ended() bool { return r.ended && !r.cut }

// Cut reports whether another recording stands behind one without an end, and behind how many rows.
func (r *Reader) Cut() (rows uint64, cut bool) { return r.cutRows, r.cut }

// Boot is when the clock of the events was 0, by the time of day of the last row.
func (r *Reader) Boot() time.Time { return r.row.boot }

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// bomb fails when far more is unpacked than was read.
type bomb struct {
	r   io.Reader
	raw *counter
	n   int64
}

func (b *bomb) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > ratioFrom && b.n/ratioMax > b.raw.n {
		return n, fmt.Errorf("%d bytes make more than %d: no recording does", b.raw.n, b.n)
	}
	return n, err
}
