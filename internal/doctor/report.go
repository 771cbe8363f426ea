package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Report is all that doctor tells.
type Report struct {
	CanTrace bool        `json:"can_trace"`
	Checks   []Check     `json:"checks"`
	Live     []LiveCheck `json:"live,omitempty"` // the last is the tracer's own
}

// NewReport makes a report of checks.
func NewReport(checks []Check) *Report {
	return &Report{CanTrace: CanTrace(checks), Checks: checks}
}

// AddLive adds live checks. Whether the tracer's own passed outweighs what the
// other checks expect.
func (r *Report) AddLive(live []LiveCheck) {
	r.Live = live
	r.CanTrace = live[len(live)-1].Status == OK
}

// Well tells whether opensnoop can trace and no live check failed.
func (r *Report) Well() bool {
	for _, l := range r.Live {
		if l.Status != OK {
			return false
		}
	}
	return r.CanTrace
}

// JSON writes the report as one object.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Table writes the report for a person: a line for each check, and below it what
// to know and do unless it is ok.
func (r *Report) Table(w io.Writer) error {
	var b strings.Builder
	row := func(status, name, found string) {
		fmt.Fprintf(&b, "%-6s  %-25s  %s\n", status, name, found)
	}
	row("STATUS", "CHECK", "FOUND")
	for _, c := range r.Checks {
		row(string(c.Status), c.Name, c.Found)
		if c.Status != OK {
			row("", "", "meaning: "+c.Meaning)
			row("", "", "to do: "+c.Remedy)
		}
	}
	for _, l := range r.Live {
		l.table(&b)
	}
	if r.CanTrace {
		b.WriteString("\nopensnoop can trace here.\n")
	} else {
		b.WriteString("\nopensnoop cannot trace here: see what is marked fail.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// table writes a live check: its stages, and what it saw.
func (l *LiveCheck) table(b *strings.Builder) {
	fmt.Fprintf(b, "\n%-6s  %s\n", l.Status, l.Name)
	line := func(name, what string) {
		for part := range strings.Lines(what) {
			fmt.Fprintf(b, "        %-12s  %s\n", name, strings.TrimRight(part, "\n"))
			name = ""
		}
	}
	line("by", l.Hook)
	line("note", l.Note)
	for _, s := range l.Stages {
		if s.Error == "" {
			line(s.Name, fmt.Sprintf("%.1f ms", s.Milliseconds))
			continue
		}
		line("not "+s.Name, s.Error)
		line("", s.Messages)
	}
	line("saw", strings.TrimLeft(l.Seen, " "))
}
