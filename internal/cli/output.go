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
	"opensnoop/internal/stream"
	"opensnoop/internal/summary"
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
	top       rowCount // of --summary-rows
	sort      string   // what a summary is sorted by
	noHeader  bool
	file      string // of -w
	force     bool
	rotate    rotation
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

	colorAuto   = "auto"
	colorAlways = "always"
	colorNever  = "never"
)

// The words of choices; the first is the default.
var (
	layouts = []string{layoutDefault, layoutBCC}
	formats = []string{formatTable, formatJSON, formatCSV}
	colors  = []string{colorAuto, colorAlways, colorNever}
	orders  = summary.Orders()
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
	{func(o *outputOptions) bool { return !o.summary.set && (o.top != 0 || o.sort != orders[0]) },
		"--summary-rows and --sort are for --summary"},
	{func(o *outputOptions) bool {
		return o.format != formatCSV && slices.ContainsFunc(o.columns, (*format.Column).IsField)
	},
		"--columns names a field, which is for -o csv: a table and JSON have columns (--help lists them)"},
	{func(o *outputOptions) bool { return o.noHeader && o.format == formatJSON },
		"JSON has no header: leave out --no-header"},
	{func(o *outputOptions) bool { return o.summary.live && (o.format == formatJSON || o.file != "") },
		"--summary=live is for a terminal: leave out -o json and -w"},
	{func(o *outputOptions) bool {
		return o.tree && (o.layout == layoutBCC || o.format != formatTable || o.summary.set)
	},
		"--tree is for the usual table: with -o json or csv, the column depth has what it shows"},
	{func(o *outputOptions) bool { return o.force && o.file == "" },
		"--force is for -w"},
	{func(o *outputOptions) bool { return o.rotate.size > 0 && o.file == "" },
		"--rotate is for a file: add -w FILE"},
	{func(o *outputOptions) bool { return o.rotate.size > 0 && o.force },
		"--rotate keeps a file that exists under another name: leave out --force"},
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
		return o.withOp(o.withPath(o.columns), opts)
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

// withOp adds the column op to JSON of which not all rows are opens.
func (o *outputOptions) withOp(columns []*format.Column, opts *trace.Options) []*format.Column {
	op := format.Find("op")
	if !opts.Lookups || o.format != formatJSON || slices.Contains(columns, op) {
		return columns
	}
	return append(slices.Clip(columns), op)
}

// withPath puts the column path in the place of file with -F, or behind the others.
func (o *outputOptions) withPath(columns []*format.Column) []*format.Column {
	path := format.Find("path")
	if !o.fullPath || slices.Contains(columns, path) {
		return columns
	}
	columns = slices.DeleteFunc(slices.Clone(columns), func(c *format.Column) bool { return c.Name == "file" })
	return append(columns, path)
}

// has reports whether a column can be had.
func (o *outputOptions) has(c *format.Column, opts *trace.Options) bool {
	if o.recorded != nil {
		return slices.Contains(o.recorded, c)
	}
	return o.canTell(c.Needs, opts)
}

// canTell reports whether events can have these fields.
func (o *outputOptions) canTell(fields event.Fields, opts *trace.Options) bool {
	if o.recorded == nil {
		return plan.Supports(fields, opts.Kernel) == nil
	}
	var recorded event.Fields
	for _, c := range o.recorded {
		recorded |= c.Needs
	}
	return recorded.Has(fields)
}

// added are the columns that flags add to the usual ones.
func (o *outputOptions) added(opts *trace.Options) []string {
	added := opts.Filter.Columns()
	for _, column := range []struct {
		name  string
		added bool
	}{
		{"uid", o.printUID}, {"flags", o.extended || opts.Execs || opts.Lookups}, {"op", opts.Lookups && o.format != formatTable}, {"mode", o.extended}, {"path", o.fullPath},
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
		return o.summaryFields(opts)
	case o.layout == layoutBCC:
		return o.bcc(opts).Fields()
	}
	fields := format.Options{Columns: o.shown(opts)}.Fields()
	if o.tree {
		fields |= event.Depth
	}
	return fields
}

// summaryFields are those that events must have for a summary. Files are counted by their paths
// where those can be told.
func (o *outputOptions) summaryFields(opts *trace.Options) event.Fields {
	by := o.summary.by
	if len(by) == 0 {
		by = summary.Usual
	}
	fields := event.Result
	if o.showsTook() {
		fields |= event.Took
	}
	for _, by := range by {
		fields |= by.Needs
		if by.Wants != 0 && o.canTell(by.Wants, opts) {
			fields |= by.Wants
		}
	}
	return fields
}

// order is what a summary is sorted by.
func (o *outputOptions) order() summary.Order { return summary.Order(slices.Index(orders, o.sort)) }

// showsTook reports whether a summary tells how long opens took.
func (o *outputOptions) showsTook() bool { return o.summary.took || o.order().IsOfTook() }

func (o *outputOptions) bcc(opts *trace.Options) format.BCCOptions {
	return format.BCCOptions{Time: o.timestamp, UID: o.printUID, TID: len(opts.Filter.TIDs) > 0, Extended: o.extended, FullPath: o.fullPath}
}

// writer returns what writes the rows or the summary to w. The caller sets what of options depends
// on the run.
func (o *outputOptions) writer(w io.Writer, opts *trace.Options, options format.Options) format.Writer {
	color := options.Color
	options.Columns, options.Tree, options.Chosen, options.NoHeader = o.shown(opts), o.tree, len(o.columns) > 0, o.noHeader
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
		By: o.summary.by, Top: int(o.top), Order: o.order(), Took: o.showsTook(), JSON: o.format == formatJSON, Color: color, Every: time.Duration(o.summary.every), Now: o.now,
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
	if o.color == colorAlways {
		return true
	}
	if o.color == colorNever || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	return stream.IsTerminal(file)
}
