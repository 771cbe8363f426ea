package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	wherePattern  = regexp.MustCompile(`(?m)^=== (end-to-end suite .*)$`)
	runPattern    = regexp.MustCompile(`^ *=== (?:RUN|CONT|NAME) +(\S+)`)
	saidPattern   = regexp.MustCompile(`^ +[a-z0-9_]+_test\.go:\d+: (.*)`)
	failedPattern = regexp.MustCompile(`^ *(--- FAIL: .*)|^FAIL\t.*`)
	skipPattern   = regexp.MustCompile(`^ *--- SKIP: (\S+)`)
)

// summarize tells what the files in a folder say of the tests that ran.
func summarize(out io.Writer, folder string) error {
	logs, err := filepath.Glob(filepath.Join(folder, "*.log"))
	if err != nil {
		return err
	}
	fmt.Fprint(out, "\n=== where the tests ran, what failed, and what did not run\n")
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		status, err := os.ReadFile(strings.TrimSuffix(log, ".log") + ".status")
		verdict := "FAILED"
		switch {
		case errors.Is(err, fs.ErrNotExist):
			verdict = "did not end"
		case err != nil:
			return err
		case string(status) == "0":
			verdict = "ok"
		}
		where := strings.TrimSuffix(filepath.Base(log), ".log")
		if m := wherePattern.FindSubmatch(text); m != nil {
			where += ": " + string(m[1])
		}
		fmt.Fprintf(out, "%s: %s (%s)\n", verdict, where, log)
		for _, line := range notable(string(text)) {
			fmt.Fprintln(out, "    "+line)
		}
	}
	return nil
}

// notable returns what failed and what did not run, with the reason.
func notable(text string) (found []string) {
	test := ""
	reason := make(map[string]string)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := runPattern.FindStringSubmatch(line); m != nil {
			test = m[1]
		} else if m := saidPattern.FindStringSubmatch(line); m != nil {
			reason[test] = strings.TrimPrefix(m[1], "*** DID NOT RUN: ")
		} else if m := skipPattern.FindStringSubmatch(line); m != nil {
			found = append(found, m[1]+": "+reason[m[1]])
		} else if failedPattern.MatchString(line) || strings.HasPrefix(line, "*** ") && strings.Contains(line, " DID NOT RUN") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
