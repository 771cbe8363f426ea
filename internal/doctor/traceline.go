package doctor

import (
	"fmt"
	"strings"
)

// traceLine is a line of trace_pipe or trace.
type traceLine struct {
	Task     string // comm of the thread, or <...> where the kernel has forgotten it
	PID      string // of the thread, as the first pid namespace numbers it
	TGID     string // "" unless the option record-tgid is on
	CPU      string
	Flags    string // "" if the option irq-info is off
	Time     string // by the trace clock: s with a point, or ticks without
	Function string // such as bpf_trace_printk; kernels before 5.9 leave it out
	Message  string
}

// taskWidth is the width that the kernel pads a task's name to, which is longer
// than any; in bytes.
const taskWidth = 16

// parseTraceLine parses a line, without its newline, as Linux prints it:
//
//	<16 bytes of task>-PID [(TGID)] [CPU] FLAGS TIME: FUNCTION: MESSAGE
//
// FLAGS are four characters, and five since Linux 5.18 (commit 54357f0c9149).
// Any number is taken, as there may be more one day.
func parseTraceLine(line string) (traceLine, error) {
	bad := func(what string) (traceLine, error) {
		return traceLine{}, fmt.Errorf("no line of trace_pipe: %s: %q", what, line)
	}
	if len(line) <= taskWidth || line[taskWidth] != '-' {
		return bad("no task")
	}
	l := traceLine{Task: strings.TrimLeft(line[:taskWidth], " ")}
	var rest string
	if l.PID, rest = cutDigits(line[taskWidth+1:]); l.PID == "" {
		return bad("no process id")
	}
	rest = strings.TrimLeft(rest, " ")
	if inner, ok := strings.CutPrefix(rest, "("); ok {
		// "(   1234)", or "(-------)" for a task whose id was not recorded.
		tgid, after, ok := strings.Cut(inner, ")")
		if !ok {
			return bad("no end of the thread group")
		}
		l.TGID = strings.Trim(tgid, " -")
		rest = strings.TrimLeft(after, " ")
	}
	inner, ok := strings.CutPrefix(rest, "[")
	if !ok {
		return bad("no CPU")
	}
	if l.CPU, rest = cutDigits(inner); l.CPU == "" || !strings.HasPrefix(rest, "] ") {
		return bad("no CPU")
	}
	rest = strings.TrimLeft(rest[len("] "):], " ")
	if word, after, _ := strings.Cut(rest, " "); !strings.HasSuffix(word, ":") {
		l.Flags = word
		rest = strings.TrimLeft(after, " ")
	}
	seconds, rest := cutDigits(rest)
	if fraction, ok := strings.CutPrefix(rest, "."); ok {
		fraction, rest = cutDigits(fraction)
		l.Time = seconds + "." + fraction
	} else {
		l.Time = seconds
	}
	if seconds == "" || !strings.HasPrefix(rest, ": ") {
		return bad("no time")
	}
	// An empty function leaves ": : Hello".
	if l.Function, l.Message, ok = strings.Cut(rest[len(": "):], ": "); !ok {
		return bad("no message")
	}
	return l, nil
}

// cutDigits cuts the decimal digits off the start.
func cutDigits(s string) (digits, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	return s[:len(s)-len(rest)], rest
}
