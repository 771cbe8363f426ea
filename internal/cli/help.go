package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"opensnoop/internal/filter"
	"opensnoop/internal/format"
)

// Group is some flags that have one purpose.
type Group struct {
	Title string
	Note  string // on all of them; it may be empty
	Flags *pflag.FlagSet
}

// printHelp prints the help of the main command, or of one of the others.
func printHelp(cmd *cobra.Command, groups []Group) {
	var b strings.Builder
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprintf(&b, "%s\n\nUsage:\n  %s\n", text, cmd.UseLine())
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasParent() {
		groups = []Group{{Title: "Flags", Flags: cmd.LocalFlags()}}
	}
	for _, g := range groups {
		if g.Note != "" {
			g.Note += "\n"
		}
		if usages := optional().ReplaceAllStringFunc(g.Flags.FlagUsagesWrapped(helpWidth), inBrackets); usages != "" {
			fmt.Fprintf(&b, "\n%s:\n%s%s", g.Title, g.Note, usages)
		}
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nOther commands:\n")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(&b, "  %-*s  %s\n", cmd.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
	cmd.Print(b.String())
}

// optional is how pflag shows a value that may be left out: --flag VALUE[=default].
var optional = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(--\S+) (\S+)\[=\S+\]`) })

// inBrackets makes --flag[=VALUE] of that, with blanks in place of what is gone.
func inBrackets(flag string) string {
	m := optional().FindStringSubmatch(flag)
	return fmt.Sprintf("%-*s", len(flag), m[1]+"[="+m[2]+"]")
}

// printColumns lists all columns, each with what it shows.
func printColumns(w io.Writer) error {
	var b strings.Builder
	for _, c := range format.Columns {
		fmt.Fprintf(&b, "%-10s  %s\n", c.Name, c.Help)
	}
	_, err := io.WriteString(w, b.String())
	if err != nil && !errors.Is(err, unix.EPIPE) {
		return fmt.Errorf("writing to stdout: %w", err)
	}
	return nil
}

const helpWidth = 80 // characters

// otherNames are what other tools call what has another name here.
var otherNames = map[string]string{
	"V":   "--version",
	"top": "--summary=live", "live": "--summary=live", "cmd": "-- COMMAND", "command": "-- COMMAND",
	"comm": "-n", "process": "-n", "json": "-o json", "csv": "-o csv", "format": "-o",
	"timeout": "-d", "user": "-u", "fields": "--columns", "append": "-w", "exclude": "--exclude-path",
}

// flagError says what is wrong with a flag of a command: its value, or that there is none of that
// name, with the one that was likely meant or where they are listed.
func flagError(cmd *cobra.Command, err error) error {
	if said := valueError(err); said != nil {
		return said
	}
	unknown := (*pflag.NotExistError)(nil)
	if errors.As(err, &unknown) {
		if meant := didYouMean(cmd.Flags(), unknown.GetSpecifiedName()); meant != "" {
			return fmt.Errorf("%w%s", err, meant)
		}
	}
	return fmt.Errorf("%w (see %s -h)", err, cmd.CommandPath())
}

// valueError says what is wrong with a flag's value; nil if that is not what the error is.
func valueError(err error) error {
	value := (*pflag.InvalidValueError)(nil)
	if !errors.As(err, &value) {
		return nil
	}
	name := "--" + value.GetFlag().Name
	if short := value.GetFlag().Shorthand; short != "" {
		name = "-" + short
	}
	if value.GetFlag().NoOptDefVal != "" {
		name += "="
	} else {
		name += " "
	}
	text := value.GetValue()
	if text == "" || strings.ContainsAny(text, " \n") {
		text = strconv.Quote(text)
	}
	return fmt.Errorf("%s%s: %w", name, text, value.Unwrap())
}

// didYouMean asks for the flag that was likely meant by a name; it is empty if none was.
func didYouMean(fs *pflag.FlagSet, name string) string {
	meant := otherNames[name]
	if meant == "" {
		names := slices.Sorted(maps.Keys(otherNames))
		fs.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := filter.Nearest(name, names); near != "" {
			meant = cmp.Or(otherNames[near], "--"+near)
		}
	}
	if meant == "" {
		return ""
	}
	return "; did you mean " + meant + "?"
}
