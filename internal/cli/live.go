package cli

import (
	"errors"
	"os"

	"opensnoop/internal/format"
	"opensnoop/internal/summary"
	"opensnoop/internal/terminal"
)

// live draws the summaries of w in place, if that was asked for and file, to which w writes, is a
// terminal on which it can be. It returns what is to be done in the end.
func (r *run) live(w *summary.Writer, file *os.File) (format.Writer, func()) {
	o := &r.flags.output
	if !o.summary.live || !terminal.Is(file) || os.Getenv("TERM") == "dumb" {
		return w, func() {}
	}
	options := summary.LiveOptions{
		WriterOptions: o.summaryOptions(o.colored(file)),
		Size:          func() (int, int) { return terminal.Size(file) },
		Quit:          r.end,
	}
	keys, err := terminal.OpenKeys(os.Stdin)
	if err == nil { // it is not where stdin is no terminal
		options.Keys = keys.C
	}
	live := summary.NewLive(w, options)
	return live, func() {
		var errs []error
		if live.Entered() { // something has failed
			_, err := file.WriteString(terminal.Leave)
			errs = append(errs, err)
		}
		if keys != nil {
			errs = append(errs, keys.Close())
		}
		if err := errors.Join(errs...); err != nil {
			r.messages.printf("giving the terminal back: %v", err)
		}
	}
}
