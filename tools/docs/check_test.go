package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opensnoop/tools/docs/page"
)

// pagesWith returns the pages of a folder in which README.md has this text.
func pagesWith(t *testing.T, readme string) []*page.Page {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.Mkdir("docs", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"README.md": readme, "CONTRIBUTING.md": "", "SECURITY.md": "", "CHANGELOG.md": "", "docs/a.md": "# What is `-x`?\n",
	} {
		if err := os.WriteFile(filepath.FromSlash(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pages, err := page.Read(".")
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct{ readme, want string }{
		{"See [a](docs/a.md#what-is--x), [b](#b).\n\n# B\n", ""},
		{"See [a](docs/b.md).", "README.md:1: docs/b.md does not exist"},
		{"See [a](docs/a.md#y).", "README.md:1: docs/a.md has no heading #y"},
		{strings.Repeat("word\n\n", 100), "too long"},
		{strings.Repeat("One two. ", 800), "too long"},
		{strings.Repeat("word ", 18), "too long"},
		{strings.Repeat("word ", 16) + "end. One more.\n```sh\n" + strings.Repeat("true word ", 900) + "\n```", ""},
		{"```sh\nno-such-program\n```", "README.md:2: no-such-program: exit status 127"},
		{"Type `sudo no-such-program`.", "README.md:1: sudo no-such-program: exit status 127"},
	} {
		got := ""
		if err := check(pagesWith(t, tt.readme)); err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%.60q: %q, want %q", tt.readme, got, tt.want)
		}
	}
}
