package cli

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"opensnoop/internal/spell"
)

// group is some flags that have one purpose.
type group struct {
	title string
	flags *pflag.FlagSet
}

// printHelp prints the help of the main command, or of one of the others.
func printHelp(cmd *cobra.Command, groups []group) {
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
		groups = []group{{"Flags", cmd.LocalFlags()}}
	}
	for _, g := range groups {
		if usages := optional.ReplaceAllStringFunc(g.flags.FlagUsagesWrapped(helpWidth), inBrackets); usages != "" {
			fmt.Fprintf(&b, "\n%s:\n%s", g.title, usages)
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
var optional = regexp.MustCompile(`(--\S+) (\S+)\[=\S+\]`)

// inBrackets makes --flag[=VALUE] of that, with blanks in place of what is gone.
func inBrackets(flag string) string {
	m := optional.FindStringSubmatch(flag)
	return fmt.Sprintf("%-*s", len(flag), m[1]+"[="+m[2]+"]")
}

const helpWidth = 100 // characters

var unknownFlag = regexp.MustCompile(`^unknown flag: --([^=]+)`)

// suggest adds to the error about an unknown flag the one that was likely meant.
func suggest(fs *pflag.FlagSet, err error) error {
	m := unknownFlag.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	var names []string
	fs.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if name := spell.Nearest(m[1], names); name != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, name)
	}
	return err
}
