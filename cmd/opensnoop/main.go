// Opensnoop shows every file that any process opens.
package main

import (
	"os"

	"opensnoop/internal/cli"
)

// version is set by the Makefile.
var version = "unknown"

func main() {
	os.Exit(cli.Main(version, os.Args[1:], os.Stdout, os.Stderr))
}
