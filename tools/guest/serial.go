package guest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// ports are the guest's serial ports, as pipes that QEMU writes to.
type ports struct {
	hostEnds  [3]*os.File
	guestEnds [3]*os.File
}

func newPorts() (*ports, error) {
	p := new(ports)
	for i := range p.hostEnds {
		var err error
		p.hostEnds[i], p.guestEnds[i], err = os.Pipe()
		if err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *ports) console() io.Reader { return p.hostEnds[0] }
func (p *ports) output() io.Reader  { return p.hostEnds[1] }
func (p *ports) control() io.Reader { return p.hostEnds[2] }

// closeGuestEnds leaves QEMU as the only writer, so that its end is the end of
// what can be read. Closing a second time, or what never opened, does nothing.
func (p *ports) closeGuestEnds() {
	for _, f := range p.guestEnds {
		f.Close()
	}
}

func (p *ports) close() {
	p.closeGuestEnds()
	for _, f := range p.hostEnds {
		f.Close()
	}
}

// writeError says that what the guest printed was not wanted any more.
type writeError struct{ err error }

func (e *writeError) Error() string { return fmt.Sprintf("writing the guest's output: %v", e.err) }
func (e *writeError) Unwrap() error { return e.err }

// copyPort hands what comes out of a port to one or two writers, either of which
// may be nil. A writer that fails ends the guest; the port is still read to its
// end, for QEMU not to block on it.
func copyPort(port io.Reader, a, b io.Writer, cancel context.CancelCauseFunc) {
	var to []io.Writer
	for _, w := range []io.Writer{a, b} {
		if w != nil {
			to = append(to, w)
		}
	}
	if _, err := io.Copy(io.MultiWriter(to...), port); err != nil {
		cancel(&writeError{err})
		_, _ = io.Copy(io.Discard, port)
	}
}

// control is what the init script has told.
type control struct {
	up       bool
	ended    bool
	status   int    // of the command, once it has ended
	failure  string // why the command was not even started
	onUp     func()
	onStatus func()
}

// read takes in the lines until the port ends.
func (c *control) read(port io.Reader) {
	lines := bufio.NewScanner(port)
	for lines.Scan() {
		c.line(lines.Text())
	}
	// A line too long is none of ours; what counts is that the port is read.
	_, _ = io.Copy(io.Discard, port)
}

// line takes in one line. What is none of the script's lines is passed over: a
// guest that speaks nonsense ends without a status, which is an error already.
func (c *control) line(line string) {
	verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch verb {
	case "up":
		c.up = true
		if c.onUp != nil {
			c.onUp()
		}
	case "status":
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 || n > 255 {
			return
		}
		c.status, c.ended = n, true
		if c.onStatus != nil {
			c.onStatus()
		}
	case "fail":
		c.failure = rest
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	limit int
	bytes []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.bytes = append(t.bytes, p...)
	if over := len(t.bytes) - t.limit; over > 0 {
		t.bytes = append(t.bytes[:0], t.bytes[over:]...)
	}
	return len(p), nil
}

// text returns what was kept as whole lines for people.
func (t *tail) text() string {
	s := strings.ToValidUTF8(strings.ReplaceAll(string(t.bytes), "\r", ""), "?")
	if len(t.bytes) == t.limit {
		_, s, _ = strings.Cut(s, "\n")
	}
	return strings.TrimSpace(s)
}
