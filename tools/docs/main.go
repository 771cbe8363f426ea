// Docs checks the pages for users, and makes their samples of output anew.
//
//	docs check      lengths of the README, links and commands of all pages
//	docs samples    runs what stands behind "$ " and puts its output there; as root
//
// It is run in the repository's root, with opensnoop in bin.
package main

import (
	"errors"
	"fmt"
	"os"

	"opensnoop/tools/docs/page"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "docs: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: docs check|samples")
	}
	pages, err := page.Read(".")
	if err != nil {
		return err
	}
	switch args[0] {
	case "check":
		return check(pages)
	case "samples":
		return samples(pages)
	}
	return fmt.Errorf("unknown command %q", args[0])
}
