package main

import (
	"slices"
	"testing"
)

func TestPassedOn(t *testing.T) {
	got := passedOn([]string{
		"PATH=/bin", "PATHS=no", "HOME=/root", "LANG=C", "LC_ALL=no", "TMPDIR=/t", "GOCACHE=/c",
		"OPENSNOOP_X=a=b", "OPENSNOOP_GUEST=older", "SECRET=no", "MYGO=no",
	})
	want := []string{"PATH=/bin", "HOME=/root", "LANG=C", "TMPDIR=/t", "GOCACHE=/c", "OPENSNOOP_X=a=b"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRunRefuses(t *testing.T) {
	for name, args := range map[string][]string{
		"no kernel":  {"true"},
		"no command": {"-kernel", t.TempDir()},
		"no such":    {"-kernel", t.TempDir(), "true"},
	} {
		status, err := run(t.Context(), args)
		if status != failed || err == nil {
			t.Errorf("%s: status %d, error %v", name, status, err)
		}
	}
}
