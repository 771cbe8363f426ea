package cli

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"opensnoop/internal/cgroup"
	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/format"
	"opensnoop/internal/probe"
	"opensnoop/internal/proc"
	"opensnoop/internal/summary"
)

// completions are what may stand behind a flag, by the type of its values, each with a description
// behind a tab.
var completions = map[string]func() []string{
	"PID":   processes,
	"USER":  func() []string { return namesIn("/etc/passwd") },
	"GROUP": func() []string { return namesIn("/etc/group") },
	"COMM":  runningNames,
	"CONTAINER": func() []string {
		return cgroupNames(func(c *event.Container, _ *event.Unit) string {
			if c == nil {
				return ""
			}
			return c.Title
		})
	},
	"UNIT": func() []string {
		return cgroupNames(func(_ *event.Container, u *event.Unit) string {
			if u == nil {
				return ""
			}
			return u.Name
		})
	},
	"LIST":    columnNames,
	"ERROR":   errnoTexts,
	"O_X":     filter.FlagNames,
	"BY,TIME": summaryWords,
	"PROBE":   probe.Names,
	"TIME":    nothing,
	"ROWS":    nothing,
	"PAGES":   nothing,
}

// lists are the types of which several words are taken, by commas.
var lists = []string{"PID", "USER", "GROUP", "COMM", "LIST", "ERROR", "O_X", "BY,TIME", "CONTAINER", "UNIT"}

// addCompletions tells the shell what may stand behind the flags that a command has.
func addCompletions(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		kind := flag.Value.Type()
		words := completions[kind]
		if choices := strings.Split(kind, "|"); len(choices) > 1 {
			words = func() []string { return choices }
		}
		if words == nil {
			return
		}
		err := cmd.RegisterFlagCompletionFunc(flag.Name, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			directive, before := cobra.ShellCompDirectiveNoFileComp, ""
			if slices.Contains(lists, kind) {
				before = typed[:strings.LastIndexByte(typed, ',')+1]
				if flag.Name != "summary" { // --summary=a: fish's script takes that for a flag of its own then
					directive |= cobra.ShellCompDirectiveNoSpace
				}
			}
			return next(words(), before, typed), directive
		})
		if err != nil {
			panic(err) // only for one that is there already
		}
	})
}

// fixBash has the completion of bash written without the backslash that printf %q of newer
// bashes puts in front of a comma: cobra's script takes that for no match of what is typed.
func fixBash(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	bash, _, err := root.Find([]string{"completion", "bash"})
	if err != nil {
		panic(err) // only if cobra has none any more
	}
	bash.RunE = func(cmd *cobra.Command, _ []string) error {
		bare, err := cmd.Flags().GetBool("no-descriptions")
		if err != nil {
			return err
		}
		var b strings.Builder
		if err := root.GenBashCompletionV2(&b, !bare); err != nil {
			return err
		}
		_, err = fmt.Fprint(root.OutOrStdout(), withCommas.Replace(b.String()))
		return err
	}
}

var withCommas = strings.NewReplacer(
	`comp=$(printf "%q" "${compline%%$tab*}")`+"\n", `comp=$(printf "%q" "${compline%%$tab*}")`+"\n        comp=${comp//\\\\,/,}\n",
	`COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]%%$tab*}")`+"\n", `COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]%%$tab*}")`+"\n        COMPREPLY[0]=${COMPREPLY[0]//\\\\,/,}\n",
	`COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]}")`+"\n", `COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]}")`+"\n            COMPREPLY[0]=${COMPREPLY[0]//\\\\,/,}\n",
)

// next returns the words that fit what is typed, behind those of a list that are there before.
func next(words []string, before, typed string) []string {
	var fitting []string
	for _, word := range words {
		name, _, _ := strings.Cut(word, "\t")
		if strings.HasPrefix(before+name, typed) && !strings.Contains(","+before, ","+name+",") {
			fitting = append(fitting, before+word)
		}
	}
	return fitting
}

// argument completes what is no flag: behind -- a program and then what it takes, before it
// the file of a command that takes one.
func (i *invocation) argument(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	dash := slices.Index(i.args, "--") // cobra does not tell where it was
	switch {
	case dash < 0 && !cmd.HasParent():
		return nil, cobra.ShellCompDirectiveNoFileComp
	case dash < 0 || len(i.args) > dash+2 || strings.Contains(typed, "/"):
		return nil, cobra.ShellCompDirectiveDefault
	}
	return programs(typed), cobra.ShellCompDirectiveNoFileComp
}

// programs are those in PATH that begin so.
func programs(typed string) []string {
	var names []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		entries, _ := os.ReadDir(dir)
		for _, entry := range entries {
			if !strings.HasPrefix(entry.Name(), typed) {
				continue
			}
			if st, err := os.Stat(filepath.Join(dir, entry.Name())); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
				names = append(names, entry.Name())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func nothing() []string { return nil }

func columnNames() []string {
	var names []string
	for _, c := range format.Columns {
		names = append(names, c.Name+"\t"+c.Help)
	}
	return names
}

func errnoTexts() []string {
	var texts []string
	for n, name := range filter.ErrnoNames() {
		if name != "" {
			texts = append(texts, name+"\t"+syscall.Errno(n).Error())
		}
	}
	return texts
}

func summaryWords() []string {
	words := []string{summaryLive, summaryTook, "10s"}
	for _, by := range summary.Bys {
		words = append(words, by.Name)
	}
	return words
}

// runningNames are the names of running processes, but for those that a shell could take
// for more than a name.
func runningNames() []string {
	all, err := proc.All(proc.Root)
	if err != nil {
		return nil
	}
	var names []string
	for _, p := range all {
		if name := string(p.Comm); harmless().MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// completionTime is how long running containers and units are looked for.
const completionTime = 500 * time.Millisecond

// cgroupNames are the names of what running processes are in, as runningNames.
func cgroupNames(of func(*event.Container, *event.Unit) string) (names []string) {
	registry, err := cgroup.New()
	if err != nil {
		return nil
	}
	defer registry.Close()
	ctx, end := context.WithTimeout(context.Background(), completionTime)
	defer end()
	err = registry.Running(ctx, func(c *event.Container, u *event.Unit) {
		if name := of(c, u); harmless().MatchString(name) {
			names = append(names, name)
		}
	})
	if err != nil {
		return nil
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var harmless = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\w.:/-]+$`) })

// processes are the ids of all processes, with their comms as descriptions.
func processes() []string {
	all, err := proc.All(proc.Root)
	if err != nil {
		return nil
	}
	var lines []string
	for _, p := range all {
		lines = append(lines, fmt.Sprintf("%d\t%q", p.PID, p.Comm))
	}
	return lines
}

// namesIn are the local users or groups of a file. Those of a directory service are not listed: there
// can be very many.
func namesIn(path string) []string {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	var names []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, _, found := strings.Cut(lines.Text(), ":"); found && name != "" {
			names = append(names, name)
		}
	}
	return names
}
