package cli

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"opensnoop/internal/format"
	"opensnoop/internal/probe"
	"opensnoop/internal/proc"
)

// addCompletions tells the shell what may stand behind a flag.
func addCompletions(cmd *cobra.Command) {
	for flag, complete := range map[string]func(typed string) []string{
		"pid":         processes,
		"uid":         userNames,
		"euid":        userNames,
		"exclude-uid": userNames,
		"exclude-pid": processes,
		"columns":     columnLists,
		"flag-filter": func(string) []string { return slices.Sorted(maps.Keys(flagFilters())) },
		"probe":       func(string) []string { return probe.Names() },
		"layout":      func(string) []string { return layouts },
		"output":      func(string) []string { return formats },
		"color":       func(string) []string { return colors },
	} {
		if cmd.Flags().Lookup(flag) == nil {
			continue // of another command
		}
		err := cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			directive := cobra.ShellCompDirectiveNoFileComp
			if flag == "columns" {
				directive |= cobra.ShellCompDirectiveNoSpace
			}
			var fitting []string
			for _, word := range complete(typed) {
				if strings.HasPrefix(word, typed) {
					fitting = append(fitting, word)
				}
			}
			return fitting, directive
		})
		if err != nil {
			panic(err) // only for a flag that does not exist
		}
	}
}

// columnLists are the columns that may follow those typed already.
func columnLists(typed string) []string {
	before := typed[:strings.LastIndexByte(typed, ',')+1]
	var lists []string
	for _, c := range format.Columns {
		if !strings.Contains(","+before, ","+c.Name+",") {
			lists = append(lists, before+c.Name+"\t"+c.Help)
		}
	}
	return lists
}

// processes are the ids of all processes, with their comms as descriptions.
func processes(string) []string {
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

// userNames are the local users. Those of a directory service are not listed: there
// can be very many.
func userNames(string) []string {
	file, err := os.Open("/etc/passwd")
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
