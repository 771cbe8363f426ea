package cli

import (
	"os"

	"github.com/spf13/cobra"
)

// Command returns the command line as a tree, for the manual.
func Command(version string) *cobra.Command {
	return newCommand(version, os.Stdout, &messages{w: os.Stderr}, new(int))
}
