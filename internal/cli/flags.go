package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"opensnoop/internal/filter"
	"opensnoop/internal/format"
	"opensnoop/internal/probe"
	"opensnoop/internal/trace"
)

// flags are what the command line chose.
type flags struct {
	trace    trace.Options
	output   outputOptions
	duration seconds
	count    count
	asRoot   bool
	follow   bool
	noFollow bool

	excludePipeline bool

	waitAll  bool
	noCache  bool
	noSystem bool
	unique   bool
	verbose  level
	source   bool

	config string // of --config
	all    *pflag.FlagSet

	columnsHelp bool // of --columns help

	filters *pflag.FlagSet // those that filter

	commandToStderr bool // what the command writes to stdout goes there
}

// filtered reports whether not all opens are asked for.
func (f *flags) filtered() (filtered bool) {
	f.filters.VisitAll(func(flag *pflag.Flag) {
		filtered = filtered || flag.Changed && flag.Name != "execs" && flag.Name != "lookups"
	})
	return filtered
}

// namesUsers reports whether users' names show, or are asked for.
func (f *flags) namesUsers() bool {
	if o := &f.output; !o.summary.set && o.layout != layoutBCC {
		return slices.ContainsFunc(o.shown(&f.trace), func(c *format.Column) bool { return c.Name == "user" })
	}
	return len(f.trace.Filter.UIDs) > 0
}

// whatToShow is said of all filters.
const whatToShow = `  Different flags: all must match. Values of one flag: any must match. Put
  commas between values, or repeat the flag. For a second GLOB, repeat it.
`

// add adds the flags to the command, and returns them in groups for its help.
func (f *flags) add(cmd *cobra.Command) []Group {
	var groups []Group
	for _, g := range []struct {
		title, note string
		define      func(fs *pflag.FlagSet)
	}{
		{"What to show", whatToShow, f.defineFilters},
		{"How it looks", "", f.defineOutput},
		{"When to end, and what to trace", "", f.defineRun},
		{"About itself", "", f.defineItself},
	} {
		fs := pflag.NewFlagSet(g.title, pflag.ContinueOnError)
		fs.SortFlags = false
		g.define(fs)
		cmd.Flags().AddFlagSet(fs)
		groups = append(groups, Group{g.title, g.note, fs})
	}
	f.filters, f.all = groups[0].Flags, cmd.Flags()
	cmd.Flags().SetInterspersed(false)
	// bcc's long flags have underscores.
	cmd.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	return groups
}

func (f *flags) defineFilters(fs *pflag.FlagSet) {
	for _, e := range filter.Table {
		if e.Bool != nil {
			addBool(fs, e.Bool(&f.trace.Filter), e.Flag, e.Short, e.Help)
		} else {
			fs.VarP(e.Value(&f.trace.Filter), e.Flag, e.Short, e.Help)
		}
	}
	addBool(fs, &f.follow, "follow", "", "with -p, also opens of all that these processes have started, and will start")
	addBool(fs, &f.excludePipeline, "exclude-pipeline", "", "no opens of programs that read the rows from a pipe, nor of what they start")
	addBool(fs, &f.trace.Execs, "execs", "", "also files that the kernel opens to execute programs, with interpreters and loaders; adds FLAGS, which is exec for them")
	addBool(fs, &f.trace.Lookups, "lookups", "", "also what is only checked with stat, access, readlink and the like; adds FLAGS, which names the call")
	addBool(fs, &f.noSystem, "no-system", "", "no opens of what the loader, the locale and the C library open in every program, nor by a container's runtime")
}

func (f *flags) defineOutput(fs *pflag.FlagSet) {
	o := &f.output
	fs.Var(columnsOrHelp{&o.columns, &f.columnsHelp}, "columns", "columns to show, in this order, with commas between; --columns help says what each is: "+strings.ReplaceAll(format.Names(format.Columns), ",", ", "))
	addBool(fs, &o.timestamp, "timestamp", "T", "add TIME(s) to --layout bcc; the usual rows always have it")
	addBool(fs, &o.printUID, "print-uid", "U", "add UID")
	addBool(fs, &o.fullPath, "full-path", "F", "show the absolute path instead of FILE, marked where it is not known exactly")
	addBool(fs, &f.unique, "unique", "", "show opens with the same program, path and outcome only once, the first time")
	addBool(fs, &o.tree, "tree", "", "indent COMM by the depth of the process; needs a command, or -p with --follow")
	addBool(fs, &o.extended, "extended-fields", "e", "add FLAGS and MODE")
	fs.Var(newChoice(&o.layout, layouts), "layout", "show the usual rows, or those of bcc's opensnoop, for scripts that read these")
	fs.VarP(newChoice(&o.format, formats), "output", "o", "write a table, JSON with an object a line, or CSV")
	addBool(fs, &o.stream, "stream", "", "with -o json, number the rows and report losses between them, for programs that count what arrives")
	fs.VarP((*filePath)(&o.file), "write", "w", "write the rows into this new file, not to stdout")
	addBool(fs, &o.force, "force", "", "with -w, write over a file that exists")
	o.defineRotate(fs)
	fs.Var(&o.summary, "summary", "show counts instead of rows, at the end. Values go after =, with commas between, as in --summary=user,10s:\n- what to count: "+summaryBys()+"\n- took: also how long opens took\n- a time, such as 10s: counts every 10 seconds\n- live: a view on the terminal, drawn each second")
	fs.Lookup("summary").NoOptDefVal = summaryAtEnd
	fs.Var(&o.top, "summary-rows", "with --summary, how many rows each table has (10), or all")
	fs.Var(newChoice(&o.sort, orders), "sort", "with --summary, the column to sort by")
	addBool(fs, &o.noHeader, "no-header", "", "leave out the header")
	fs.Var(newChoice(&o.color, colors), "color", "show errors in red on a terminal unless NO_COLOR is set, always, or never")
}

func (f *flags) defineRun(fs *pflag.FlagSet) {
	fs.VarP(&f.duration, "duration", "d", "end after this time: seconds, or like 1m30s")
	fs.VarP(&f.count, "count", "c", "end after this many rows")
	addBool(fs, new(bool), "exec", "", "the same as --: what follows is the command to trace")
	addBool(fs, &f.noFollow, "no-follow", "", "trace only the command, not the processes that it starts")
	addBool(fs, &f.waitAll, "wait-all", "", "end when the last process that the command started ends, not when the command does")
	addBool(fs, &f.asRoot, "as-root", "", "under sudo, run the command as root too")
	fs.Var((*probeName)(&f.trace.Probe), "probe", "how to hook the kernel: "+strings.Join(probe.Names(), ", ")+"; auto is right unless you compare or test them")
	addBool(fs, &f.noCache, "no-cache", "", "compile the BPF program again, and do not keep it")
	fs.VarP((*pages)(&f.trace.BufferPages), "buffer-pages", "b",
		fmt.Sprintf("pages in each CPU's buffer, a power of two (%d, with args four times that); take more when a message says that opens were lost", trace.DefaultBufferPages))
}

func (f *flags) defineItself(fs *pflag.FlagSet) {
	fs.Var((*filePath)(&f.config), "config", "also take the flags in this file, one a line, such as path /etc/**; SIGHUP reads it again")
	f.defineVerbose(fs)
	addBool(fs, &f.source, "ebpf", "", "print the C source of the BPF program, to read what it does, and end")
	addBool(fs, new(bool), "help", "h", "show this help, and end")
	addBool(fs, new(bool), "version", "", "show the version, and end")
}

func (f *flags) defineVerbose(fs *pflag.FlagSet) {
	fs.VarPF(&f.verbose, "verbose", "v", "say on stderr which probe is used, and why; -v -v says more").NoOptDefVal = "true"
}
