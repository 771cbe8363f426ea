// Manual writes opensnoop's manual page, opensnoop.8, to stdout. It is made from
// the command line's own descriptions, and of sections.md, which those lack.
//
//	manual [VERSION]
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"opensnoop/internal/cli"
	"opensnoop/internal/format"
)

//go:embed sections.md
var sections []byte

func main() {
	version := "unknown"
	if len(os.Args) > 1 {
		version = os.Args[1]
	}
	if err := write(os.Stdout, version); err != nil {
		fmt.Fprintf(os.Stderr, "manual: %v\n", err)
		os.Exit(1)
	}
}

// write writes the page in the usual order of sections. Its date is today's, or
// that of SOURCE_DATE_EPOCH.
func write(w io.Writer, version string) error {
	root, groups := cli.Command(version)
	root.InitDefaultCompletionCmd()
	header := &doc.GenManHeader{Section: "8"}
	page, err := generate(root, header)
	if err != nil {
		return err
	}
	own := split(md2man.Render(sections))

	var b strings.Builder
	section := func(name, body string) { fmt.Fprintf(&b, ".SH %s\n%s", name, body) }
	fmt.Fprintf(&b, ".nh\n.TH OPENSNOOP 8 %s \"opensnoop %s\" \"System Manager's Manual\"\n",
		header.Date.Format(time.DateOnly), version)
	section("NAME", page["NAME"])
	section("SYNOPSIS", page["SYNOPSIS"])
	section("DESCRIPTION", page["DESCRIPTION"])
	section("OPTIONS", "")
	for _, g := range groups {
		fmt.Fprintf(&b, ".SS %s\n%s%s", g.Title, plain(g.Note), options(g.Flags))
	}
	section("COLUMNS", "What \\fB\\-\\-columns\\fP takes, by commas:\n"+columns())
	section("MARKS", own["MARKS"])
	section("COMMANDS", "")
	for _, sub := range root.Commands() {
		if !sub.IsAvailableCommand() {
			continue
		}
		of, err := generate(sub, header)
		if err != nil {
			return err
		}
		own, shared := apart(sub, root)
		fmt.Fprintf(&b, ".SS %s\n%s%s", sub.UseLine(), of["DESCRIPTION"], options(own))
		if shared != "" {
			b.WriteString(".PP\n" + plain(shared))
		}
		if example := of["EXAMPLE"]; example != "" {
			b.WriteString(".PP\nExamples:\n" + example)
		}
	}
	section("EXIT STATUS", own["EXIT STATUS"])
	section("FILES", own["FILES"])
	section("ENVIRONMENT", own["ENVIRONMENT"])
	section("EXAMPLES", page["EXAMPLE"])
	section("CAVEATS", own["CAVEATS"])
	section("SEE ALSO", own["SEE ALSO"])
	_, err = io.WriteString(w, b.String())
	return err
}

// plain is a text that is not marked up, in a line.
func plain(text string) string {
	if text == "" {
		return ""
	}
	return roff.Replace(strings.Join(strings.Fields(text), " ")) + "\n"
}

// columns describes all columns.
func columns() string {
	var b strings.Builder
	for _, c := range format.Columns {
		fmt.Fprintf(&b, ".TP\n\\fB%s\\fP\n%s\n", c.Name, roff.Replace(c.Help))
	}
	return b.String()
}

// apart returns the flags that a command has by itself, and names those that mean the same
// to the main command.
func apart(cmd, root *cobra.Command) (own *pflag.FlagSet, shared string) {
	own = pflag.NewFlagSet("", pflag.ContinueOnError)
	own.SortFlags = false
	var names []string
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if same := root.Flags().Lookup(f.Name); same != nil && same.Usage == f.Usage && f.Name != "help" {
			names = append(names, "--"+f.Name)
		} else {
			own.AddFlag(f)
		}
	})
	if len(names) > 0 {
		shared = "These mean the same as above: " + strings.Join(names, ", ") + "."
	}
	return own, shared
}

// options describes flags. cobra's generator has a form for them that shows "[=false]" and
// no names of values, and indents by a tab.
func options(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		b.WriteString(".TP\n")
		if f.Shorthand != "" {
			fmt.Fprintf(&b, `\fB\-%s\fP, `, f.Shorthand)
		}
		fmt.Fprintf(&b, `\fB\-\-%s\fP`, strings.ReplaceAll(f.Name, "-", `\-`))
		value, usage := pflag.UnquoteUsage(f)
		switch {
		case f.NoOptDefVal != "" && f.Value.Type() != "bool":
			fmt.Fprintf(&b, `[=\fI%s\fP]`, value)
		case value != "":
			fmt.Fprintf(&b, ` \fI%s\fP`, value)
		}
		fmt.Fprintf(&b, "\n%s\n", roff.Replace(usage))
	})
	return b.String()
}

// roff escapes plain text; a line of it must not begin with a point or a quote.
var roff = strings.NewReplacer(`\`, `\e`, "\n- ", "\n.br\n\\- ", `-`, `\-`, "\n.", "\n\\&.", "\n'", "\n\\&'")

// generate returns the sections of cobra's page on a command by their names.
func generate(cmd *cobra.Command, header *doc.GenManHeader) (map[string]string, error) {
	// cobra takes the descriptions for Markdown; they are plain text.
	cmd.Long = escape(cmd.Long)
	cmd.Short = escape(cmd.Short)
	cmd.DisableAutoGenTag = true
	var b bytes.Buffer
	if err := doc.GenMan(cmd, header, &b); err != nil {
		return nil, fmt.Errorf("the manual of %s: %w", cmd.Name(), err)
	}
	return split(b.Bytes()), nil
}

var markdown = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `_`, `\_`, "`", "\\`", `<`, `\<`, `[`, `\[`, `#`, `\#`)

func escape(text string) string { return markdown.Replace(text) }

// split cuts a page before each section, and drops the paragraph that md2man
// begins each with, which is one too many.
func split(page []byte) map[string]string {
	parts := strings.Split(string(page), ".SH ")
	bodies := make(map[string]string)
	for _, part := range parts[1:] {
		name, body, _ := strings.Cut(part, "\n")
		bodies[strings.Trim(name, `"`)] = strings.TrimPrefix(body, ".PP\n")
	}
	return bodies
}
