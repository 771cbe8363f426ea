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
const whatToShow = `  An open shows if it matches every flag, by any of its values. Several values
  go by commas or by repeating the flag, several patterns by repeating it.
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
	addBool(fs, &f.follow, "follow", "", "with -p, opens of all processes too that they have started, and will start")
	addBool(fs, &f.excludePipeline, "exclude-pipeline", "", "no opens of those who read the rows by a pipe, nor of what they start")
	addBool(fs, &f.trace.Execs, "execs", "", "also files that the kernel opens to execute programs, with interpreters and loaders; adds FLAGS, which is exec for them")
	addBool(fs, &f.trace.Lookups, "lookups", "", "also what is only looked for, by stat, access, readlink and their like; adds FLAGS, which says by which")
	addBool(fs, &f.noSystem, "no-system", "", "no opens of what the loader, the locale and the C library open in every program, nor by a container's runtime")
}

func (f *flags) defineOutput(fs *pflag.FlagSet) {
	o := &f.output
	fs.Var(columnsOrHelp{&o.columns, &f.columnsHelp}, "columns", "columns to show, in this order, by commas; help explains them: "+strings.ReplaceAll(format.Names(format.Columns), ",", ", "))
	addBool(fs, &o.timestamp, "timestamp", "T", "add TIME(s), which is there anyway")
	addBool(fs, &o.printUID, "print-uid", "U", "add UID")
	addBool(fs, &o.fullPath, "full-path", "F", "show the absolute path in FILE's place, marked where it cannot be known exactly")
	addBool(fs, &f.unique, "unique", "", "show each once that is alike by program, path and outcome, when it first happens")
	addBool(fs, &o.tree, "tree", "", "indent COMM by how far a process is below the command, or below the process of -p")
	addBool(fs, &o.extended, "extended-fields", "e", "add FLAGS and MODE")
	fs.Var(newChoice(&o.layout, layouts), "layout", "show the usual rows, or those of bcc's opensnoop")
	fs.VarP(newChoice(&o.format, formats), "output", "o", "write a table, JSON with an object a line, or CSV")
	addBool(fs, &o.stream, "stream", "", "with -o json, number the rows, and say between them what was lost, for programs that count what arrives")
	fs.VarP((*filePath)(&o.file), "write", "w", "write the rows into this new file, not to stdout")
	addBool(fs, &o.force, "force", "", "with -w, write over a file that exists")
	o.defineRotate(fs)
	fs.Var(&o.summary, "summary", "no rows, but at the end who opened most, and what; =BY is by some of "+summaryBys()+"; =took adds how long they took, and the longest; =10s every 10 s, =live again and again in place on a terminal; all by commas")
	fs.Lookup("summary").NoOptDefVal = summaryAtEnd
	fs.Var(&o.top, "summary-rows", "with --summary, show so many rows of each table, or all; 10 by default")
	fs.Var(newChoice(&o.sort, orders), "sort", "with --summary, choose what comes first")
	addBool(fs, &o.noHeader, "no-header", "", "leave out the header")
	fs.Var(newChoice(&o.color, colors), "color", "show errors in red on a terminal unless NO_COLOR is set, always, or never")
}

func (f *flags) defineRun(fs *pflag.FlagSet) {
	fs.VarP(&f.duration, "duration", "d", "end after this time: seconds, or like 1m30s")
	fs.VarP(&f.count, "count", "c", "end after this many rows")
	addBool(fs, new(bool), "exec", "", "trace the command that all behind this flag is, as behind --")
	addBool(fs, &f.noFollow, "no-follow", "", "trace the command alone, not the processes that it starts")
	addBool(fs, &f.waitAll, "wait-all", "", "end with the last process that the command has started, not with the command")
	addBool(fs, &f.asRoot, "as-root", "", "under sudo, run the command as root too")
	fs.Var((*probeName)(&f.trace.Probe), "probe", "how to hook the kernel: "+strings.Join(probe.Names(), ", "))
	addBool(fs, &f.noCache, "no-cache", "", "compile the BPF program anew, and keep it nowhere")
	fs.VarP((*pages)(&f.trace.BufferPages), "buffer-pages", "b",
		fmt.Sprintf("size of each CPU's buffer in pages, a power of two (default %d, four times that with args, as in recordings)", trace.DefaultBufferPages))
}

func (f *flags) defineItself(fs *pflag.FlagSet) {
	fs.Var((*filePath)(&f.config), "config", "take the flags of this file, too, one a line, such as path /etc/**; SIGHUP loads it anew")
	f.defineVerbose(fs)
	addBool(fs, &f.source, "ebpf", "", "print the BPF program in C, as it is compiled, and end")
	addBool(fs, new(bool), "help", "h", "show this help, and end")
	addBool(fs, new(bool), "version", "", "show the version, and end")
}

func (f *flags) defineVerbose(fs *pflag.FlagSet) {
	fs.VarPF(&f.verbose, "verbose", "v", "tell on stderr which probe is used, and why; twice, all of the plan").NoOptDefVal = "true"
}
