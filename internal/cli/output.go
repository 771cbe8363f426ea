package cli

import (
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"opensnoop/internal/event"
	"opensnoop/internal/format"
	"opensnoop/internal/plan"
	"opensnoop/internal/summary"
	"opensnoop/internal/terminal"
	"opensnoop/internal/trace"
)

// outputOptions are what the output looks like, and where it goes.
type outputOptions struct {
	columns   columns // of --columns
	layout    string
	format    string
	timestamp bool // -T
	printUID  bool // -U
	extended  bool // -e
	fullPath  bool // -F
	tree      bool
	color     string
	summary   summaryFlag
	file      string // of -w
	force     bool
	stream    bool
	packed    bool // the stream is compressed: a recording

	// Of a recording that is replayed; nil of a live run.
	recorded []*format.Column
	now      func() time.Time // its clock
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

// The words of choices; the first is the default.
var (
	layouts = []string{layoutDefault, layoutBCC}
	formats = []string{formatTable, formatJSON, formatCSV}
	colors  = []string{colorAuto, colorNever}
)

// conflicts are the flags that cannot go together.
var conflicts = []struct {
	between func(o *outputOptions) bool // reports whether both are there
	message string
}{
	{func(o *outputOptions) bool { return o.layout == layoutBCC && len(o.columns) > 0 },
		"--layout bcc has its own columns: leave out --columns"},
	{func(o *outputOptions) bool { return o.layout == layoutBCC && o.format != formatTable },
		"--layout bcc is a table: leave out -o"},
	{func(o *outputOptions) bool { return o.summary.set && o.layout == layoutBCC },
		"--summary shows no rows: leave out --layout"},
	{func(o *outputOptions) bool { return o.summary.set && len(o.columns) > 0 },
		"--summary shows no rows: leave out --columns"},
	{func(o *outputOptions) bool { return o.summary.set && o.format == formatCSV },
		"--summary can be had as a table or as JSON: leave out -o csv"},
	{func(o *outputOptions) bool { return o.fullPath && len(o.columns) > 0 },
		"-F puts the column path in the place of file: with --columns, name it there"},
	{func(o *outputOptions) bool { return o.fullPath && o.summary.set },
		"--summary shows no rows: leave out -F"},
	{func(o *outputOptions) bool { return o.summary.live && (o.format == formatJSON || o.file != "") },
		"--summary=live is for a terminal: leave out -o json and -w"},
	{func(o *outputOptions) bool {
		return o.tree && (o.layout == layoutBCC || o.format != formatTable || o.summary.set)
	},
		"--tree is for the usual table: with -o json or csv, the column depth has what it shows"},
	{func(o *outputOptions) bool { return o.force && o.file == "" },
		"--force is for -w"},
	{func(o *outputOptions) bool { return o.stream && o.format != formatJSON },
		"--stream numbers JSON lines: add -o json"},
}

// check returns an error if the flags cannot go together.
func (o *outputOptions) check() error {
	for _, c := range conflicts {
		if c.between(o) {
			return &usageError{errors.New(c.message)}
		}
	}
	return nil
}

// shown returns the columns of the rows: those asked for, else the usual ones and
// those that show what the flags select by.
func (o *outputOptions) shown(opts *trace.Options) []*format.Column {
	if len(o.columns) > 0 {
		return o.columns
	}
	added := o.added(opts)
	if o.format != formatTable {
		// Programs skip what they do not need.
		return slices.DeleteFunc(slices.Clone(format.Columns), func(c *format.Column) bool {
			return !slices.Contains(added, c.Name) && (c.OnDemand || !o.has(c, opts))
		})
	}
	usual := format.Usual(added...)
	if o.fullPath { // path is in its place
		usual = slices.DeleteFunc(usual, func(c *format.Column) bool { return c.Name == "file" })
	}
	return usual
}

// has reports whether a column can be had.
func (o *outputOptions) has(c *format.Column, opts *trace.Options) bool {
	if o.recorded != nil {
		return slices.Contains(o.recorded, c)
	}
	return plan.Supports(c.Needs, opts.Kernel) == nil
}

// added are the columns that flags add to the usual ones.
func (o *outputOptions) added(opts *trace.Options) []string {
	f := &opts.Filter
	var added []string
	for _, column := range []struct {
		name  string
		added bool
	}{
		{"uid", o.printUID || len(f.UIDs) > 0},
		{"euid", len(f.EUIDs) > 0},
		{"tid", len(f.TIDs) > 0},
		{"fd", f.Success},
		{"err", f.Failed || len(f.Errnos) > 0},
		{"flags", o.extended || len(f.Flags) > 0 || opts.Execs},
		{"mode", o.extended},
		{"exe", len(f.Exes) > 0},
		{"path", o.fullPath},
		{"realpath", len(f.RealPaths) > 0},
		{"container", f.ByContainer()},
	} {
		if column.added {
			added = append(added, column.name)
		}
	}
	return added
}

// fields returns what events must hold for the output.
func (o *outputOptions) fields(opts *trace.Options) event.Fields {
	switch {
	case o.summary.set:
		return o.summary.fields()
	case o.layout == layoutBCC:
		return o.bcc(opts).Fields()
	}
	fields := format.Options{Columns: o.shown(opts)}.Fields()
	if o.tree {
		fields |= event.Depth
	}
	return fields
}

func (o *outputOptions) bcc(opts *trace.Options) format.BCCOptions {
	return format.BCCOptions{Time: o.timestamp, UID: o.printUID, TID: len(opts.Filter.TIDs) > 0, Extended: o.extended, FullPath: o.fullPath}
}

// writer returns what writes the rows or the summary to w. The caller sets what of options depends
// on the run.
func (o *outputOptions) writer(w io.Writer, opts *trace.Options, options format.Options) format.Writer {
	color := options.Color
	options.Columns, options.Tree = o.shown(opts), o.tree
	switch {
	case o.summary.set:
		counts := o.summaryOptions(color)
		counts.Begin = options.Begin
		return summary.NewWriter(w, counts)
	case o.layout == layoutBCC:
		bcc := o.bcc(opts)
		bcc.Color = color
		return format.NewBCC(w, bcc)
	case o.format == formatJSON:
		return format.NewJSON(w, options)
	case o.format == formatCSV:
		return format.NewCSV(w, options)
	}
	return format.NewTable(w, options)
}

func (o *outputOptions) summaryOptions(color bool) summary.WriterOptions {
	return summary.WriterOptions{
		By: o.summary.by, JSON: o.format == formatJSON, Color: color, Every: time.Duration(o.summary.every), Now: o.now,
	}
}

// rowEnd returns what finds the end of a row.
func (o *outputOptions) rowEnd() func(rows []byte) int {
	switch {
	case o.packed:
		return whole
	case o.format == formatCSV:
		return format.SplitCSV
	}
	return format.SplitLines
}

// colored reports whether to use colour on a file.
func (o *outputOptions) colored(file *os.File) bool {
	if o.color == colorNever || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	return terminal.Is(file)
}
