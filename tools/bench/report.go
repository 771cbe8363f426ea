package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// report is everything that a run of the benchmark gave.
type report struct {
	Machine machine   `json:"machine"`
	Rounds  int       `json:"rounds"`
	Tools   []*result `json:"tools"`
	Guest   *report   `json:"guest,omitempty"`
	NoGuest string    `json:"no_guest,omitempty"` // why there is none

	Incomplete string `json:"incomplete,omitempty"` // why not everything has had its turn
}

type machine struct {
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
}

func thisMachine() machine {
	m := machine{CPU: runtime.GOARCH, CPUs: runtime.NumCPU()}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// version returns what is known of a tool's version: that of its package, or what
// it says itself.
func version(t *tool) string {
	cmd := exec.Command("dpkg-query", "-W", "-f=${Version}", t.pack)
	if t.pack == "" {
		cmd = exec.Command(t.command[0], "--version")
	}
	out, _ := cmd.Output() // no version is no reason not to measure
	fields := bytes.Fields(out)
	if len(fields) == 0 {
		return ""
	}
	return string(fields[len(fields)-1])
}

// write writes a report for people, with the tables in Markdown.
func (r *report) write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Linux %s on %d × %s, medians of %d rounds.\n", r.Machine.Kernel, r.Machine.CPUs, r.Machine.CPU, r.Rounds)
	fmt.Fprintf(&b, "In parentheses: %s's ÷ this tool's.\n\n", r.Tools[0].Tool)
	writeTable(&b, r.rows(func(m measure, t *result) string {
		value, ok := t.Medians[m.key]
		if !ok {
			return ""
		}
		text := fmt.Sprintf("%.*f", m.digits, value)
		if ratio, ok := t.Ratios[m.key]; ok {
			text += " (" + formatRatio(ratio) + ")"
		}
		return text
	}))
	r.writeNotes(&b)
	if g := r.Guest; g != nil {
		fmt.Fprintf(&b, "\nIn a guest with Linux %s, medians of %d rounds: %s's ÷ this tool's.\n\n", g.Machine.Kernel, g.Rounds, g.Tools[0].Tool)
		writeTable(&b, g.rows(func(m measure, t *result) string {
			if ratio, ok := t.Ratios[m.key]; ok {
				return formatRatio(ratio)
			}
			return ""
		}))
		g.writeNotes(&b)
	} else if r.NoGuest != "" {
		fmt.Fprintf(&b, "\nNot measured in a guest: %s\n", r.NoGuest)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// formatRatio gives a ratio with two or three digits that count.
func formatRatio(ratio float64) string {
	switch {
	case ratio < 0.0995:
		return fmt.Sprintf("%.3f×", ratio)
	case ratio < 9.95:
		return fmt.Sprintf("%.2f×", ratio)
	}
	return fmt.Sprintf("%.0f×", ratio)
}

// rows returns the cells of a table: a column for each tool that has values, and
// a row for each measure that some tool has a cell for.
func (r *report) rows(cell func(measure, *result) string) [][]string {
	head := []string{""}
	var able []*result
	for _, t := range r.Tools {
		if t.Reason == "" {
			able = append(able, t)
			head = append(head, t.Tool)
		}
	}
	rows := [][]string{head}
	for _, m := range measures {
		row := []string{m.title}
		for _, t := range able {
			row = append(row, cell(m, t))
		}
		if strings.Join(row[1:], "") != "" {
			rows = append(rows, row)
		}
	}
	return rows
}

// writeTable writes cells in Markdown, with the columns aligned for reading it as
// it is.
func writeTable(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			blanks := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				fmt.Fprintf(w, "| %s%s |", cell, blanks)
			} else {
				fmt.Fprintf(w, " %s%s |", blanks, cell)
			}
		}
		fmt.Fprintln(w)
		if n == 0 {
			for i, width := range widths {
				if i == 0 {
					fmt.Fprintf(w, "|%s|", strings.Repeat("-", width+2))
				} else {
					fmt.Fprintf(w, "%s:|", strings.Repeat("-", width+1))
				}
			}
			fmt.Fprintln(w)
		}
	}
}

// writeNotes tells the commands and versions, and what has no values, and why.
func (r *report) writeNotes(w io.Writer) {
	fmt.Fprintln(w)
	for _, t := range r.Tools {
		if len(t.Command) == 0 && t.Reason == "" && len(t.Missing) == 0 {
			continue
		}
		fmt.Fprintf(w, "- %s", t.Tool)
		if t.Version != "" {
			fmt.Fprintf(w, " %s", t.Version)
		}
		if len(t.Command) > 0 {
			fmt.Fprintf(w, ": `%s`", strings.Join(t.Command, " "))
		}
		if t.Reason != "" {
			fmt.Fprintf(w, " cannot run here: %s", t.Reason)
		}
		fmt.Fprintln(w)
		for _, m := range t.Missing {
			fmt.Fprintf(w, "  - %s failed, %d ×, the last time with: %s\n", m.Part, m.Times, m.Why)
		}
	}
	if r.Incomplete != "" {
		fmt.Fprintf(w, "\nNot all rounds were made: %s. What is missing above was not measured; the rest is the median of fewer.\n", r.Incomplete)
	}
}
