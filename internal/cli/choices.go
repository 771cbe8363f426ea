package cli

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"opensnoop/internal/filter"
	"opensnoop/internal/format"
	"opensnoop/internal/summary"
)

// The values of flags about the output, as pflag.Value.

// columns are those to show, in their order.
type columns []*format.Column

// columnsOrHelp are names of columns by commas, or help.
type columnsOrHelp struct {
	columns *columns
	help    *bool
}

func (c columnsOrHelp) Set(text string) (err error) {
	if *c.help = text == "help"; !*c.help {
		*c.columns, err = format.ParseColumns(text)
	}
	return err
}

func (c columnsOrHelp) String() string {
	if c.columns == nil { // pflag asks a zero value
		return ""
	}
	return format.Names(*c.columns)
}

func (columnsOrHelp) Type() string { return "LIST" }

// choice is one word of a few.
type choice struct {
	value *string
	words []string
}

// newChoice returns a flag's value that is the first of words until it is set.
func newChoice(value *string, words []string) *choice {
	*value = words[0]
	return &choice{value, words}
}

func (c *choice) Set(text string) error {
	if !slices.Contains(c.words, text) {
		return fmt.Errorf("expected one of %s", strings.Join(c.words, ", "))
	}
	*c.value = text
	return nil
}

func (c *choice) String() string {
	if c.value == nil { // pflag asks a zero value
		return ""
	}
	if *c.value == c.words[0] {
		return "" // so that the help names no default
	}
	return *c.value
}

func (c *choice) Type() string { return strings.Join(c.words, "|") }

// summaryFlag is --summary, with what to count by, a time, and whether it is live, or without.
type summaryFlag struct {
	set   bool
	by    []*summary.By
	took  bool    // tell how long they took, too
	every seconds // 0: once, at the end
	live  bool
}

const (
	summaryAtEnd = "end"
	summaryLive  = "live"
	summaryTook  = "took"

	// liveTime is how often a live summary is drawn.
	liveTime = seconds(time.Second)
)

func (s *summaryFlag) Set(text string) error {
	s.set = true
	for part := range strings.SplitSeq(text, ",") {
		by := summary.FindBy(part)
		switch {
		case by != nil && slices.Contains(s.by, by):
			return fmt.Errorf("%s is there twice", part)
		case by != nil:
			s.by = append(s.by, by)
		case part == summaryLive:
			s.live = true
		case part == summaryTook:
			s.took = true
		case part == summaryAtEnd:
		default:
			if err := s.every.Set(part); err != nil {
				return s.unknown(part)
			}
		}
	}
	if s.live && s.every == 0 {
		s.every = liveTime
	}
	return nil
}

// unknown says what was likely meant, or can be.
func (s *summaryFlag) unknown(part string) error {
	meant := ""
	if near := filter.Nearest(part, slices.Concat(strings.Split(summaryBys(), ", "), []string{summaryLive, summaryTook})); near != "" {
		meant = fmt.Sprintf("did you mean %s? ", near)
	}
	return fmt.Errorf("%sexpected some of %s, %s, %s, or a time such as 10s, by commas", meant, summaryBys(), summaryTook, summaryLive)
}

// summaryBys are the names of what can be counted by.
func summaryBys() string {
	var names []string
	for _, by := range summary.Bys {
		names = append(names, by.Name)
	}
	return strings.Join(names, ", ")
}

// rowCount is how many rows a summary's table has: a number, or all.
type rowCount int

// allRows is more than there can be.
const allRows = math.MaxInt32

func (n *rowCount) Set(text string) error {
	rows, err := strconv.ParseUint(text, 10, 31)
	switch {
	case text == "all":
		rows = allRows
	case err != nil || rows == 0:
		return errors.New("expected a number above 0, or all")
	}
	*n = rowCount(rows)
	return nil
}

func (n *rowCount) String() string {
	switch *n {
	case 0:
		return ""
	case allRows:
		return "all"
	}
	return strconv.Itoa(int(*n))
}

func (*rowCount) Type() string { return "N|all" }

func (s *summaryFlag) String() string { return s.every.String() }
func (*summaryFlag) Type() string     { return "BY,TIME" }

// filePath is the path of a file.
type filePath string

func (p *filePath) Set(text string) error {
	if text == "" || strings.ContainsRune(text, 0) {
		return errors.New("expected the path of a file")
	}
	if text == "-" {
		return errors.New("expected a file: rows go to stdout without -w, and a file named - is ./-")
	}
	*p = filePath(text)
	return nil
}

func (p *filePath) String() string { return string(*p) }
func (*filePath) Type() string     { return "FILE" }

// toggle is a flag that is there or not.
type toggle bool

// addBool adds a flag that is off by default; short may be empty.
func addBool(fs *pflag.FlagSet, value *bool, name, short, usage string) {
	fs.VarPF((*toggle)(value), name, short, usage).NoOptDefVal = "true"
}

func (t *toggle) Set(text string) error {
	if text != "true" && text != "false" {
		return errors.New("expected true or false, or no value for true")
	}
	*t = text == "true"
	return nil
}

func (t *toggle) String() string { return strconv.FormatBool(bool(*t)) }

// Type is the name by which cobra knows such flags.
func (*toggle) Type() string { return "bool" }

// level is a flag that counts how often it is there.
type level int

func (l *level) Set(text string) error {
	var set toggle
	if err := set.Set(text); err != nil {
		return err
	}
	if *l++; !set {
		*l = 0
	}
	return nil
}

func (l *level) String() string { return strconv.FormatBool(*l > 0) }

// Type is as that of [toggle].
func (*level) Type() string { return "bool" }
