package cli

import (
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
	if err != nil { // as where stdin is no terminal
		return summary.NewLive(w, options), func() {}
	}
	options.Keys = keys.C
	return summary.NewLive(w, options), func() {
		if err := keys.Close(); err != nil {
			r.messages.printf("giving the terminal back: %v", err)
		}
	}
}
