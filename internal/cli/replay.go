package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"opensnoop/internal/compare"
	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/format"
	"opensnoop/internal/stream"
	"opensnoop/internal/summary"
	"opensnoop/internal/trace"
)

// replayFlags are those of the main command that make sense of a recording.
type replayFlags struct {
	flags
	speed speed
	html  string // the file of --html
}

// newReplayCommand shows the rows of a recording.
func newReplayCommand(i *invocation) *cobra.Command {
	f := &replayFlags{}
	cmd := &cobra.Command{
		Use:   "replay [flags] FILE",
		Short: "Show the rows of a recording, as a live run would have",
		Long: `Shows the rows of a recording (opensnoop record, or -o json --stream), as a live
run with the same flags would have shown them: the same filters, columns,
formats and summaries. It needs no root. FILE may be - for stdin.

The exit status is 1 if the recording is damaged or cut short; what is before
that is shown.`,
		Example: `  opensnoop replay make.osn -x -F                 what failed?
  opensnoop replay make.osn --summary             who opened most, and what?
  ssh web1 sudo opensnoop record - | opensnoop replay -`,
		DisableFlagsInUseLine: true,
		Args:                  oneFile("replay"),
		RunE:                  func(_ *cobra.Command, args []string) error { return f.run(i, args[0]) },
	}
	add := func(define func(fs *pflag.FlagSet), without ...string) {
		all := pflag.NewFlagSet("", pflag.ContinueOnError)
		all.SortFlags = false
		define(all)
		all.VisitAll(func(flag *pflag.Flag) {
			if !slices.Contains(without, flag.Name) {
				cmd.Flags().AddFlag(flag)
			}
		})
	}
	without := []string{"follow", "exclude-pipeline"}
	for _, e := range filter.Table {
		if !e.Recorded() {
			without = append(without, e.Flag)
		}
	}
	add(f.defineFilters, without...)
	add(f.defineOutput, "stream")
	cmd.Flags().VarP(&f.duration, "duration", "d", "end after this much of the recorded time: seconds, or like 1m30s")
	cmd.Flags().VarP(&f.count, "count", "c", "end after this many rows")
	cmd.Flags().Var(&f.speed, "speed", "show rows at the recorded speed (1), or so many times as fast; without it, all at once")
	cmd.Flags().StringVar(&f.html, "html", "", "write a page for a browser into this `FILE`, instead of rows")
	cmd.Flags().SortFlags = false
	addCompletions(cmd)
	return cmd
}

// oneFile checks that one file is named.
func oneFile(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return &usageError{fmt.Errorf("%s takes one recording: opensnoop %s FILE", command, command)}
		}
		return nil
	}
}

func (f *replayFlags) run(i *invocation, path string) (err error) {
	if f.html != "" {
		if o := &f.output; o.file != "" || o.format != formatTable || o.summary.set || o.layout != layoutDefault {
			return &usageError{errors.New("--html writes a page, and no rows: leave out -w, -o, --summary and --layout")}
		}
		if err := (*filePath)(&f.output.file).Set(f.html); err != nil {
			return &usageError{fmt.Errorf("--html: %w", err)}
		}
	}
	if err := f.check(); err != nil {
		return err
	}
	if f.output.file == "" {
		if err := stream.CheckStdout(i.stdout); err != nil {
			return err
		}
		if f.output.format == formatCSV && stream.IsTerminal(i.stdout) {
			return &usageError{errCSVOnTerminal}
		}
	}
	if f.columnsHelp {
		return printColumns(i.stdout)
	}
	if err := f.leaveOutSystem(); err != nil {
		return err
	}
	in, err := openRecording(i.ctx, path)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := f.use(in.Start().Columns); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	close(i.tracing)
	file, err := f.output.open(i.stdout)
	if err != nil {
		return err
	}
	if file != i.stdout {
		defer func() { err = errors.Join(err, i.closeFile(file)) }()
	}
	out, err := i.newStream(file, f.output.rowEnd())
	if err != nil {
		return err
	}
	defer out.Close()
	p := &player{invocation: i, flags: f, in: in, filter: f.trace.Filter.All()}
	err = p.play(out, file)
	if errors.Is(err, stream.ErrReaderLeft) || errors.Is(err, context.Canceled) {
		return nil
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return err
}

// use takes the columns of a recording, and returns an error if the output or a filter needs one
// that it has not.
func (f *replayFlags) use(names []string) error {
	if f.trace.Lookups && !slices.Contains(names, "op") {
		return errors.New("what was looked for was not recorded: record it with --lookups")
	}
	f.output.recorded = []*format.Column{}
	var fields event.Fields
	for _, name := range names {
		if c := format.Find(name); c != nil {
			f.output.recorded = append(f.output.recorded, c)
			fields |= c.Needs
		}
	}
	needed := f.output.fields(&f.trace) | f.trace.Filter.AllFields()
	for _, c := range format.Columns {
		if c.Needs != 0 && needed.Has(c.Needs) && !fields.Has(c.Needs) {
			return fmt.Errorf("the column %s was not recorded (it has %s)", c.Name, strings.Join(names, ","))
		}
	}
	return nil
}

// player shows a recording.
type player struct {
	*invocation
	filter filter.Matcher
	flags  *replayFlags
	in     *recording

	rows       format.Writer
	began      time.Time // by our clock
	first      uint64    // time of the first row
	uncompared trace.Uncompared
	once       *unique // of --unique; nil without
	read       uint64  // rows of the recording
	shown      count
	clock      uint64 // how far the replay is, by the recording's clock
}

// play shows all rows.
func (p *player) play(out *stream.Stream, file *os.File) error {
	o := &p.flags.output
	o.now = func() time.Time { return p.in.Boot().Add(time.Duration(p.clock)) }
	if o.summary.live {
		o.now = nil // it is drawn by our own time
	}
	p.rows = o.writer(out, &p.flags.trace, format.Options{Color: o.colored(file), Cut: stream.IsTerminal(file), Boot: p.in.Boot})
	if p.flags.html != "" {
		p.rows = &pageWriter{page: compare.NewPage(p.in.Start()), w: out}
	}
	if w, ok := p.rows.(*summary.Writer); ok {
		r := &run{invocation: p.invocation, flags: &p.flags.flags}
		live, done := r.live(w, file)
		defer done()
		p.rows = live
	}
	p.in.idle = func() error { return p.rows.Flush() }
	if p.flags.unique {
		p.once = newUnique()
	}
	p.began = time.Now()
	err := p.rowsOf()
	if errors.Is(err, io.EOF) || errors.Is(err, errCountReached) || errors.Is(err, context.Canceled) {
		err = p.reportLost(errors.Is(err, io.EOF))
	}
	if errors.Is(err, stream.ErrReaderLeft) {
		return err
	}
	if sum, ok := p.rows.(io.Closer); ok {
		return errors.Join(sum.Close(), err)
	}
	return errors.Join(p.rows.Flush(), err)
}

// rowsOf shows rows until there are no more, or enough.
func (p *player) rowsOf() error {
	var e event.Event
	for header := false; ; p.read++ {
		if err := p.in.Next(&e); err != nil {
			if !header && errors.Is(err, io.EOF) {
				err = errors.Join(p.rows.Header(), err)
			}
			return err
		}
		if !header {
			p.first, p.clock = e.Time, e.Time
			if err := p.rows.Header(); err != nil {
				return err
			}
			header = true
		}
		if d := p.flags.duration; d > 0 && e.Time-p.first > uint64(d) {
			return errCountReached
		}
		if err := p.advance(e.Time); err != nil {
			return err
		}
		if e.Exec && !p.flags.trace.Execs || e.Lookup != event.NoLookup && !p.flags.trace.Lookups || !p.wants(&e) || p.once != nil && !p.once.first(&e) {
			continue
		}
		if err := p.rows.Event(&e); err != nil {
			return err
		}
		if p.shown++; p.shown == p.flags.count {
			return errCountReached
		}
	}
}

// wants reports whether a row is to be shown, and counts those on which the filters cannot decide.
func (p *player) wants(e *event.Event) bool {
	switch p.filter.Of(e) {
	case filter.Drop:
		return false
	case filter.NoPath:
		p.uncompared.Left++
		return false
	case filter.Unsure:
		p.uncompared.Shown++
	}
	return true
}

// advance sets the clock to the time of a row, and has summaries written whose time comes before.
func (p *player) advance(to uint64) error {
	if p.ctx.Err() != nil {
		return p.ctx.Err()
	}
	if p.flags.speed > 0 {
		due := time.Duration(float64(to-p.first) / float64(p.flags.speed))
		if err := p.wait(due); err != nil {
			return err
		}
	}
	s := &p.flags.output.summary
	if s.live {
		p.clock = to
		return p.rows.Flush()
	}
	for every := uint64(s.every); every > 0 && to-p.first >= (p.clock-p.first)/every*every+every; {
		p.clock = p.first + (p.clock-p.first)/every*every + every
		if err := p.rows.Flush(); err != nil {
			return err
		}
	}
	p.clock = max(p.clock, to)
	return nil
}

// wait waits until so much time has passed since the replay began.
func (p *player) wait(due time.Duration) error {
	for {
		left := due - time.Since(p.began)
		if left <= 0 {
			return nil
		}
		if err := p.rows.Flush(); err != nil {
			return err
		}
		select {
		case <-p.ctx.Done():
			return p.ctx.Err()
		case <-time.After(min(left, liveDraw)):
		}
	}
}

// liveDraw is how often a live summary may be drawn, or keys be looked at, while nothing comes.
const liveDraw = 50 * time.Millisecond

// reportLost says what the recording lacks.
func (p *player) reportLost(whole bool) error {
	p.messages.uncompared(p.uncompared)
	p.once.report(p.messages)
	if p.shown == 0 && p.read > 0 {
		p.messages.printf("0 of %d opens matched", p.read)
	}
	p.messages.reportLacking("the recording", p.in.Reader)
	if whole {
		return endedWhole(p.in.Reader)
	}
	return nil
}

// pageWriter gathers rows for a page.
type pageWriter struct {
	page  *compare.Page
	w     io.Writer
	first uint64
	began bool
}

func (w *pageWriter) Header() error { return nil }
func (w *pageWriter) Flush() error  { return nil }

// Event adds a row.
func (w *pageWriter) Event(e *event.Event) error {
	if !w.began {
		w.first, w.began = e.Time, true
	}
	w.page.Add(e, w.first)
	return nil
}

// Close writes the page.
func (w *pageWriter) Close() error { return w.page.Write(w.w) }

// speed is how many times as fast as it was recorded.
type speed float64

func (s *speed) Set(text string) error {
	if _, err := fmt.Sscanf(text, "%g", (*float64)(s)); err != nil || *s <= 0 || *s > 1e6 {
		return errors.New("expected a number above 0, such as 1 or 10")
	}
	return nil
}

func (s *speed) String() string {
	if *s == 0 {
		return ""
	}
	return fmt.Sprint(float64(*s))
}

func (*speed) Type() string { return "FACTOR" }
