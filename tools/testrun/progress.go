package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// tellTime is how often it is told how far the tests are.
const tellTime = 15 * time.Second

// progress shows what there is to see of the output of go test -v.
type progress struct {
	out      io.Writer
	name     string
	of       int
	packages bool

	began, told   time.Time
	test          string   // that runs, of those that are in no other
	held          []string // what it has printed
	loud          bool     // from a panic on, all is shown
	ended, failed int      // tests, or packages
	failures      []string // the names of tests
}

var (
	startPattern   = regexp.MustCompile(`^=== RUN +([^/\s]+)$`)
	resultPattern  = regexp.MustCompile(`^--- (PASS|FAIL|SKIP): (\S+)`)
	noisePattern   = regexp.MustCompile(`^ *(=== (RUN|PAUSE|CONT|NAME) |--- (PASS|SKIP): )|^PASS$`)
	packagePattern = regexp.MustCompile(`^(ok|FAIL|\?) *\t\S`)
)

// begin says what will be told, and where all of it is.
func (p *progress) begin(log string) {
	p.began = time.Now()
	p.told = p.began
	fmt.Fprintf(p.out, "=== %s: %d %s; all that they print is in %s\n", p.name, p.of, p.unit(), log)
}

func (p *progress) unit() string {
	if p.packages {
		return "packages"
	}
	return "tests"
}

// line takes in a line of the output.
func (p *progress) line(line string) {
	text := strings.TrimSuffix(line, "\n")
	if strings.HasPrefix(text, "panic: ") || strings.HasPrefix(text, "fatal error: ") {
		p.loud = true
		p.release()
	}
	switch m := resultPattern.FindStringSubmatch(text); {
	case p.loud:
		p.print(text)
	case startPattern.MatchString(text):
		p.test = startPattern.FindStringSubmatch(text)[1]
		p.held = nil
	case m != nil:
		p.finish(m[1], m[2], text)
	case strings.HasPrefix(text, "    ") && strings.Contains(text, "--- FAIL: "):
		p.print(text)
	case packagePattern.MatchString(text):
		p.count(p.packages, strings.HasPrefix(text, "FAIL"))
		p.print(text)
	case p.test != "":
		p.held = append(p.held, text)
	default:
		p.print(text)
	}
}

// finish takes in the result of a test.
func (p *progress) finish(result, test, text string) {
	if result == "FAIL" {
		p.failures = append(p.failures, test)
		p.release()
		p.print(text)
	}
	p.count(!p.packages, result == "FAIL")
	p.test, p.held = "", nil
}

// count counts a test or a package that has ended, if it is one of those to be counted.
func (p *progress) count(counted, failed bool) {
	if !counted {
		return
	}
	p.ended++
	if failed {
		p.failed++
	}
}

// release shows what the test that runs has printed.
func (p *progress) release() {
	for _, line := range p.held {
		p.print(line)
	}
	p.held = nil
}

func (p *progress) print(text string) {
	if !noisePattern.MatchString(text) {
		fmt.Fprintln(p.out, text)
	}
}

// tell says how far the tests are, if that has not been told for a while.
func (p *progress) tell(now time.Time) {
	if now.Sub(p.told) < tellTime {
		return
	}
	p.told = now
	text := fmt.Sprintf("    %s: %d of %d %s, %d failed, after %v", p.name, p.ended, p.of, p.unit(), p.failed, now.Sub(p.began).Round(time.Second))
	if p.test != "" {
		text += "; now " + p.test
	}
	fmt.Fprintln(p.out, text)
}

// end says how it went.
func (p *progress) end(status int) {
	if p.held != nil && status != 0 {
		p.release() // it was cut short
	}
	fmt.Fprintf(p.out, "=== %s: %d of %d %s, %d failed, in %v\n", p.name, p.ended, p.of, p.unit(), p.failed, time.Since(p.began).Round(time.Second))
}
