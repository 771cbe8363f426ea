package cli

import (
	"strings"
	"testing"
)

func TestInteractive(t *testing.T) {
	for command, want := range map[string]bool{
		"": false, "make": false, "bash": true, "/bin/bash -l": true, "bash -c true": false, "sh script": false,
		"vim file": true, "python3": true, "python3 app.py": false, "/usr/bin/less file": true,
	} {
		if got := interactive(strings.Fields(command)); got != want {
			t.Errorf("%q: %v", command, got)
		}
	}
}
