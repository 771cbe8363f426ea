package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"opensnoop/internal/stream"
	"opensnoop/internal/trace"
)

// hint says before the first row what the user may want otherwise.
func (r *run) hint(session *trace.Session, file *os.File) {
	if len(session.Rejected()) > 0 && session.GlobalCost() && r.flags.verbose == 0 {
		r.messages.printf("using tracepoints, which slow each system call a little (-v says why)")
	}
	go r.sayWaiting()
	if interactive(r.argv) && file == r.stdout && stream.IsTerminal(file) && stream.IsTerminal(os.Stdin) && !r.flags.output.summary.set {
		r.messages.printf("%s and the rows share this terminal: -w FILE keeps them apart", filepath.Base(r.argv[0]))
	}
}

// Programs that people type into: always, or if they are given nothing to run.
var (
	fullScreen = strings.Fields("emacs gdb htop joe less man mc more nano nvim screen ssh tmux top vi vim")
	shells     = strings.Fields("ash bash dash fish ipython ipython3 irb ksh node psql python python3 sh sqlite3 tcsh zsh")
)

// interactive reports whether a command is likely one that the user types into.
func interactive(argv []string) bool {
	if len(argv) == 0 {
		return false
	}
	name := filepath.Base(argv[0])
	return slices.Contains(fullScreen, name) || slices.Contains(shells, name) && !slices.ContainsFunc(argv[1:], func(arg string) bool {
		return !strings.HasPrefix(arg, "-") || arg == "-c"
	})
}
