package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	var page bytes.Buffer
	if err := write(&page, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	for _, want := range []string{
		".TH OPENSNOOP 8 2023-11-14 \"opensnoop 1.2.3\"",
		".SS opensnoop doctor",
		`\fB\-d\fP, \fB\-\-duration\fP \fITIME\fP`,
		`\fB\-\-live\fP`,
		".SS What to show\nDifferent flags: all must match.",
		".TP\n\\fBrealpath\\fP\n",
		"/var/cache/opensnoop",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	last := 0
	for _, name := range []string{
		"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COLUMNS", "MARKS", "COMMANDS", "EXIT STATUS", "FILES", "ENVIRONMENT", "EXAMPLES", "CAVEATS", "SEE ALSO",
	} {
		_, body, ok := strings.Cut(text[last:], "\n.SH "+name+"\n")
		if !ok {
			t.Fatalf("the section %s is missing or out of order", name)
		}
		last = len(text) - len(body)
		if strings.HasPrefix(body, ".SH") || strings.TrimSpace(body) == "" {
			t.Errorf("the section %s is empty", name)
		}
	}

	lint := exec.Command("mandoc", "-T", "lint", "-W", "warning")
	lint.Stdin = &page
	if out, err := lint.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("mandoc: %v\n%s", err, out)
	}
}
