package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
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
	for i := range r.Checks {
		if c := &r.Checks[i]; r.CanTrace && c.Status == Fail {
			c.Status = Warn
		}
	}
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

// Table writes the report for a person, 80 characters wide: the verdict, then what is
// wrong and what to do, the worst first, and how many checks passed, or with all each.
func (r *Report) Table(w io.Writer, all bool) error {
	var b strings.Builder
	if r.CanTrace {
		b.WriteString("opensnoop can trace here.\n")
	} else {
		b.WriteString("opensnoop cannot trace here.\n")
	}
	passed := 0
	for _, status := range []Status{Fail, Warn, OK} {
		for _, c := range r.Checks {
			if c.Status == OK && status == OK {
				passed++
			}
			if c.Status == status && (all || c.Of == "" && status != OK) {
				if status != OK || passed == 1 {
					b.WriteString("\n")
				}
				c.table(&b)
			}
		}
	}
	switch {
	case all:
	case passed == 1:
		b.WriteString("\n1 check passed (-v shows it).\n")
	default:
		fmt.Fprintf(&b, "\n%d checks passed (-v shows them).\n", passed)
	}
	if len(r.Live) > 0 && r.Live[0].notRun() {
		b.WriteString("\nThe live checks were not run: they need root. Use sudo.\n")
	} else {
		for _, l := range r.Live {
			l.table(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// table writes a check: what was found, and unless that is ok what to know and to do.
func (c *Check) table(b *strings.Builder) {
	wrap(b, fmt.Sprintf("%-4s  ", c.Status), c.Name+": "+c.Found)
	switch {
	case c.Status == OK:
	case c.Of != "":
		wrap(b, "      ", "See "+c.Of+".")
	default:
		wrap(b, "      ", "This means: "+c.Meaning)
		wrap(b, "      ", "To do: "+c.Remedy)
	}
}

const width = 80 // characters

// wrap writes a text behind a label, and the lines that it takes below it.
func wrap(b *strings.Builder, label, text string) {
	line := label
	for _, word := range strings.Fields(text) {
		full := utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width
		if full && strings.TrimSpace(line) != "" {
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", len(label))
		} else if line != label && strings.TrimSpace(line) != "" {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}

// notRun reports whether the rights for a live check are missing.
func (l *LiveCheck) notRun() bool {
	return len(l.Stages) > 0 && strings.HasPrefix(l.Stages[0].Error, errNotTried.Error())
}

// table writes a live check: its stages, and what it saw.
func (l *LiveCheck) table(b *strings.Builder) {
	fmt.Fprintf(b, "\n%-4s  %s\n", l.Status, l.Name)
	line := func(name, what string) {
		for part := range strings.Lines(what) {
			fmt.Fprintf(b, "      %-12s  %s\n", name, strings.TrimRight(part, "\n"))
			name = ""
		}
	}
	line("by", l.Hook)
	if l.Note != "" {
		wrap(b, fmt.Sprintf("      %-12s  ", "note"), l.Note)
	}
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
