package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
	"opensnoop/internal/format"
	"opensnoop/internal/trace"
)

// shape is what the output looks like.
type shape struct {
	columns   columns // of --columns
	layout    string
	format    string
	timestamp bool // -T
	printUID  bool // -U
	extended  bool // -e
	color     string
	summary   summaryEvery
	file      string // of -w
	force     bool
}

const (
	layoutDefault = "default"
	layoutBCC     = "bcc"

	formatTable = "table"
	formatJSON  = "json"
	formatCSV   = "csv"

	colorAuto  = "auto"
	colorNever = "never"
)

// check returns an error if the flags cannot go together.
func (s *shape) check() error {
	var conflict string
	switch {
	case s.layout == layoutBCC && len(s.columns) > 0:
		conflict = "--layout bcc has its own columns: leave out --columns"
	case s.layout == layoutBCC && s.format != formatTable:
		conflict = "--layout bcc is a table: leave out -o " + s.format
	case s.summary.set && s.layout == layoutBCC:
		conflict = "--summary shows no rows: leave out --layout"
	case s.summary.set && len(s.columns) > 0:
		conflict = "--summary shows no rows: leave out --columns"
	case s.summary.set && s.format == formatCSV:
		conflict = "--summary can be had as a table or as JSON: leave out -o csv"
	case s.force && s.file == "":
		conflict = "--force is for -w"
	default:
		return nil
	}
	return &usageError{errors.New(conflict)}
}

// shown returns the columns of the rows: those asked for, else the usual ones and
// those that show what the flags select by.
func (s *shape) shown(opts *trace.Options) []*format.Column {
	if len(s.columns) > 0 {
		return s.columns
	}
	if s.format != formatTable {
		// Programs skip what they do not need.
		return slices.DeleteFunc(slices.Clone(format.Columns), func(c *format.Column) bool {
			return c.Needs.Has(event.PPID) && trace.KnowsParents() != nil
		})
	}
	var added []string
	for _, column := range []struct {
		name  string
		added bool
	}{
		{"uid", s.printUID || len(opts.UIDs) > 0},
		{"tid", len(opts.TIDs) > 0},
		{"err", opts.Failed},
		{"flags", s.extended || len(opts.Flags) > 0},
		{"mode", s.extended},
	} {
		if column.added {
			added = append(added, column.name)
		}
	}
	return format.Usual(added...)
}

// fields returns what events must hold for the output.
func (s *shape) fields(opts *trace.Options) event.Fields {
	switch {
	case s.summary.set:
		return event.Result
	case s.layout == layoutBCC:
		return s.bcc(opts).Fields()
	}
	return format.Options{Columns: s.shown(opts)}.Fields()
}

func (s *shape) bcc(opts *trace.Options) format.BCCOptions {
	return format.BCCOptions{Time: s.timestamp, UID: s.printUID, TID: len(opts.TIDs) > 0, Extended: s.extended}
}

// rows returns a writer of rows, which go to w.
func (s *shape) rows(w io.Writer, opts *trace.Options, color bool) format.Writer {
	options := format.Options{Columns: s.shown(opts), Color: color, Boot: bootTime()}
	switch {
	case s.layout == layoutBCC:
		o := s.bcc(opts)
		o.Color = color
		return format.NewBCC(w, o)
	case s.format == formatJSON:
		return format.NewJSON(w, options)
	case s.format == formatCSV:
		return format.NewCSV(w, options)
	}
	return format.NewTable(w, options)
}

// colored tells whether to use colour on a file.
func (s *shape) colored(file *os.File) bool {
	if s.color == colorNever || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// open returns where the rows go: stdout, or the new file of -w.
func (s *shape) open(stdout *os.File) (*os.File, error) {
	if s.file == "" {
		return stdout, nil
	}
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if s.force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(s.file, mode, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s exists: choose another file, or --force to write over it", s.file)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the file to write: %w", err)
	}
	return file, nil
}

// bootTime is the time of day at which CLOCK_MONOTONIC would have been 0.
func bootTime() time.Time {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // the clock always exists
	}
	return time.Now().Add(-time.Duration(t.Nano()))
}

// columns are names of columns by commas.
type columns []*format.Column

func (c *columns) Set(text string) (err error) {
	*c, err = format.ParseColumns(text)
	return err
}

func (c *columns) String() string { return format.Names(*c) }

func (*columns) Type() string { return "LIST" }

// choice is one word of a few.
type choice struct {
	value *string
	words []string
}

// newChoice returns a flag's value that is the first of words until it is set.
func newChoice(value *string, words ...string) *choice {
	*value = words[0]
	return &choice{value, words}
}

func (c *choice) Set(text string) error {
	if !slices.Contains(c.words, text) {
		return fmt.Errorf("expected one of %s", strings.Join(c.words, ", "))
	}
	*c.value = text
	return nil
}

func (c *choice) String() string {
	if c.value == nil { // pflag asks a zero value
		return ""
	}
	if *c.value == c.words[0] {
		return "" // so that the help names no default
	}
	return *c.value
}

func (c *choice) Type() string { return strings.Join(c.words, "|") }

// summaryEvery is --summary, with a time or without.
type summaryEvery struct {
	set   bool
	every seconds // 0: once, at the end
}

const summaryAtEnd = "end"

func (s *summaryEvery) Set(text string) error {
	s.set = true
	if text == summaryAtEnd {
		return nil
	}
	return s.every.Set(text)
}

func (s *summaryEvery) String() string { return s.every.String() }
func (*summaryEvery) Type() string     { return "TIME" }

// filePath is the path of a file.
type filePath string

func (p *filePath) Set(text string) error {
	if text == "" || strings.ContainsRune(text, 0) {
		return errors.New("expected the path of a file")
	}
	*p = filePath(text)
	return nil
}

func (p *filePath) String() string { return string(*p) }
func (*filePath) Type() string     { return "FILE" }
