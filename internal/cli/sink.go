package cli

import (
	"errors"
	"io"
	"os"

	"opensnoop/internal/event"
	"opensnoop/internal/format"
	"opensnoop/internal/record"
	"opensnoop/internal/stream"
	"opensnoop/internal/summary"
	"opensnoop/internal/trace"
)

// sink is where events end: rows or a summary, with what goes with them.
type sink struct {
	format.Writer
	records *record.Stream // of --stream, and of a recording; nil without
	packer  *record.Packer // of a recording; nil without
	start   record.Start   // of records
	status  *recordStatus  // of a recording on a terminal; nil without
	out     *written
	rotate  *rotating // nil without
	once    *unique   // of --unique; nil without
	rows    uint64
	lost    uint64
}

// newSink returns the sink that writes to file by out. done gives the terminal back.
func (r *run) newSink(session *trace.Session, out *stream.Stream, file *os.File) (s *sink, done func(), err error) {
	o := &r.flags.output
	s = &sink{out: &written{out: out}, rotate: r.newRotating()}
	if r.flags.unique {
		s.once = newUnique()
	}
	var w io.Writer = s.out
	if o.packed {
		if s.packer, err = record.NewPacker(w); err != nil {
			return nil, nil, err
		}
		w, s.status = s.packer, r.newRecordStatus()
	}
	options := format.Options{Color: o.colored(file), Cut: stream.IsTerminal(file), Boot: session.Boot, Short: o.packed}
	if o.stream {
		id, err := runID()
		if err != nil {
			return nil, nil, err
		}
		s.records = record.New(w, id)
		if s.once != nil {
			s.records.Repeated = &s.once.repeats
		}
		if s.start, err = r.streamStart(session); err != nil {
			return nil, nil, err
		}
		options.Begin = s.records.AppendSeq
	}
	s.Writer, done = o.writer(w, &r.flags.trace, options), func() {}
	if counted, ok := s.Writer.(*summary.Writer); ok {
		s.Writer, done = r.live(counted, file)
	}
	return s, done, nil
}

// begin writes what comes before the first row of a file.
func (s *sink) begin() error {
	return errors.Join(s.Header(), s.startRecord())
}

func (s *sink) startRecord() error {
	if s.records == nil {
		return nil
	}
	return s.records.Start(s.start)
}

// counts reports whether events are counted, and do not become rows.
func (s *sink) counts() bool {
	_, ok := s.Writer.(io.Closer)
	return ok
}

// Event takes an event.
func (s *sink) Event(e *event.Event) error {
	s.rows++
	if err := s.Writer.Event(e); err != nil || s.rotate == nil {
		return err
	}
	return s.rotateIfFull()
}

// Flush writes what was gathered, and says that the run is alive when that is due.
func (s *sink) Flush() error {
	if err := s.Writer.Flush(); err != nil {
		return err
	}
	if s.records != nil && s.records.AliveDue() {
		if err := s.records.Alive(); err != nil {
			return err
		}
	}
	if s.packer != nil {
		s.status.show(s.rows, s.out.bytes, s.lost)
		if err := s.packer.Flush(); err != nil {
			return err
		}
	}
	if s.rotate == nil {
		return nil
	}
	return s.rotateIfFull()
}

// lostSoFar says what was lost since the run began. An error shows with the next row.
func (s *sink) lostSoFar(lost trace.Losses) {
	s.countLost(lost)
	if s.records != nil && s.Writer.Flush() == nil {
		_ = s.records.Lost(record.Lost{Causes: lost.ByCause(), Doubtful: lost.Doubtful})
	}
}

// countLost has a summary tell what was lost in its time.
func (s *sink) countLost(lost trace.Losses) {
	s.lost = lost.Total()
	switch w := s.Writer.(type) {
	case *summary.Writer:
		w.Lost(s.lost)
	case *summary.Live:
		w.Lost(s.lost)
	}
}

// end writes the rest: a summary, the last record.
func (s *sink) end(lost trace.Losses) error {
	var errs []error
	if sum, ok := s.Writer.(io.Closer); ok {
		s.countLost(lost)
		errs = append(errs, sum.Close())
	}
	if s.records != nil {
		errs = append(errs, s.records.End(record.Lost{Causes: lost.ByCause(), Doubtful: lost.Doubtful}))
	}
	if s.packer != nil {
		errs = append(errs, s.packer.Close())
		s.status.clear()
	}
	return errors.Join(errs...)
}
