// Package record is the stream format: rows as numbered JSON lines, with control records between
// them that say what was lost.
package record

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"time"
)

// Format is the version of the stream format. It rises when a reader that ignores fields and
// records it does not know would misread a stream.
const Format = 1

// aliveTime is how often an "alive" record is written.
const aliveTime = time.Minute

// Start says what a stream is of.
type Start struct {
	Format   int       `json:"format"`
	Version  string    `json:"version"` // of opensnoop
	Host     string    `json:"host"`
	Kernel   string    `json:"kernel"` // its release, as uname -r prints it
	Probe    string    `json:"probe"`
	BootTime time.Time `json:"boot_time"`
	Command  []string  `json:"command,omitempty"` // the traced command; none if there is none
	Cwd      string    `json:"cwd,omitempty"`
	User     string    `json:"user,omitempty"` // who ran opensnoop, by sudo or not
	Columns  []string  `json:"columns,omitempty"`
	Filters  []string  `json:"filters,omitempty"` // the flags that filter, each with its value
}

// Lost are the opens lost so far.
type Lost struct {
	Causes   map[string]uint64 // by cause; their sum is certain
	Doubtful uint64            // how many more there may be at most
}

// control is a line that is no row.
type control struct {
	Record string `json:"record"` // start, lost, alive, next or end
	Run    string `json:"run"`
	Time   string `json:"time"`
	Rows   uint64 `json:"rows"` // written before this line
	*Start
	Lost     map[string]uint64 `json:"lost"` // so far, by cause
	Doubtful uint64            `json:"doubtful"`
	Repeated *uint64           `json:"repeated,omitempty"`
}

// Stream numbers the rows of a run and writes control records between them. At a reader,
// distinct rows, gaps in their numbers and lost opens add up to the opens that happened.
type Stream struct {
	w     io.Writer
	run   string
	rows  uint64
	lost  Lost
	alive time.Time // when the next "alive" is due

	// Repeated is how many opens so far have no row, as they are the same as some that have; nil
	// if all have one.
	Repeated *uint64
}

// New returns a Stream that writes control records to w, each by one Write. run must be
// different for each run on any machine.
func New(w io.Writer, run string) *Stream {
	return &Stream{w: w, run: run, lost: Lost{Causes: map[string]uint64{}}}
}

// AppendSeq begins a row: it appends the row's number as the first field of an object.
func (s *Stream) AppendSeq(b []byte) []byte {
	b = append(b, `"seq":`...)
	b = strconv.AppendUint(b, s.rows, 10)
	s.rows++
	return append(b, ',')
}

// Start writes the first line. Control records come behind the rows made before them only if
// those are written first.
func (s *Stream) Start(start Start) error {
	start.Format = Format
	return s.write("start", &start)
}

// Lost writes how much was lost so far.
func (s *Stream) Lost(lost Lost) error {
	s.lost = lost
	return s.write("lost", nil)
}

// Next writes the last line of a file that another goes on from, with Start.
func (s *Stream) Next() error { return s.write("next", nil) }

// AliveDue reports whether it is time for Alive.
func (s *Stream) AliveDue() bool { return time.Now().After(s.alive) }

// Alive writes that the run goes on.
func (s *Stream) Alive() error { return s.write("alive", nil) }

// End writes the last line, with what was lost in all.
func (s *Stream) End(lost Lost) error {
	s.lost = lost
	return s.write("end", nil)
}

func (s *Stream) write(record string, start *Start) error {
	now := time.Now()
	s.alive = now.Add(aliveTime)
	var b bytes.Buffer
	encoder := json.NewEncoder(&b) // ends the line
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(control{
		Record: record, Run: s.run, Time: now.Format(time.RFC3339Nano), Rows: s.rows,
		Start: start, Lost: s.lost.Causes, Doubtful: s.lost.Doubtful, Repeated: s.Repeated,
	})
	if err != nil {
		return err
	}
	_, err = s.w.Write(b.Bytes())
	return err
}
