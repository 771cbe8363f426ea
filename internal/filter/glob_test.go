package filter

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

func glob(t *testing.T, text string) Glob {
	t.Helper()
	g, err := ParseGlob(text)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGlobMatches(t *testing.T) {
	for _, test := range []struct {
		pattern string
		yes, no []string
	}{
		{"/etc/**", []string{"/etc", "/etc/", "/etc/passwd", "/etc/ssl/certs/a.pem", "/etc/\xff\n"}, []string{"/etcetera", "etc/passwd", "/usr/etc/x", ""}},
		{"/etc/*", []string{"/etc/passwd", "/etc/"}, []string{"/etc/ssl/openssl.cnf", "/etc"}},
		{"*.conf", []string{"a.conf", ".conf"}, []string{"/etc/a.conf", "a.conf.d"}},
		{"**/*.conf", []string{"a.conf", "/etc/a.conf", "/etc/x/y/a.conf"}, []string{"/etc/a.conf/b"}},
		{"**.conf", []string{"a.conf", "/etc/a.conf", "/etc/x/y/a.conf", "x/.conf"}, []string{"/etc/a.conf/b"}},
		{"/usr/lib**", []string{"/usr/lib", "/usr/lib64", "/usr/lib/x/y", "/usr/lib64/x"}, []string{"/usr/local", "/usr/li"}},
		{"/a/x**y/b", []string{"/a/xy/b", "/a/x1y/b", "/a/x/y/b", "/a/x1/2/3y/b"}, []string{"/a/x/b", "/a/xy"}},
		{"/proc/*/stat", []string{"/proc/1/stat", "/proc/self/stat"}, []string{"/proc/1/task/2/stat", "/proc/stat"}},
		{"/dev/pts/?", []string{"/dev/pts/0", "/dev/pts/ä", "/dev/pts/\xff"}, []string{"/dev/pts/", "/dev/pts/10"}},
		{"/lib{,64}/[a-c]*", []string{"/lib/a", "/lib64/cx"}, []string{"/lib/d", "/lib32/a"}},
		{`/a\*b`, []string{"/a*b"}, []string{"/axb"}},
		{"/etc/passwd", []string{"/etc/passwd"}, []string{"/etc/passwd-", "/etc/passw"}},
		{"/**", []string{"/", "/a", "/a/b"}, []string{"a"}},
		{"**", []string{"", "/", "a", "/a/b"}, nil},
	} {
		g, err := ParseGlob(test.pattern)
		if err != nil {
			t.Errorf("%q: %v", test.pattern, err)
			continue
		}
		for _, name := range test.yes {
			if !g.Match([]byte(name)) {
				t.Errorf("%q does not match %q", test.pattern, name)
			}
		}
		for _, name := range test.no {
			if g.Match([]byte(name)) {
				t.Errorf("%q matches %q", test.pattern, name)
			}
		}
	}
}

func TestParseGlobRefuses(t *testing.T) {
	for _, text := range []string{"", "/a[", "/a{b", "/a\x00b", `/a\`, "/\xff*"} {
		if _, err := ParseGlob(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestWhatTheKernelCompares(t *testing.T) {
	long := "/" + strings.Repeat("x", 100)
	for _, test := range []struct {
		patterns         []string
		allows, excludes string
	}{
		{nil, "", ""},
		{[]string{"/etc/**"}, `has_prefix(name, "/etc", 4)`, `has_prefix(name, "/etc/", 5) || has_prefix(name, "/etc\000", 5)`},
		{[]string{"/etc/*"}, `has_prefix(name, "/etc/", 5)`, ""},
		{[]string{"/etc/passwd"}, `has_prefix(name, "/etc/passwd\000", 12)`, `has_prefix(name, "/etc/passwd\000", 12)`},
		{[]string{"/a", "/b*"}, `has_prefix(name, "/a\000", 3) || has_prefix(name, "/b", 2)`, `has_prefix(name, "/a\000", 3)`},
		{[]string{"/a", "*.so"}, "", `has_prefix(name, "/a\000", 3)`},
		{[]string{"/usr/lib**"}, `has_prefix(name, "/usr/lib", 8)`, ""},
		{[]string{`/a"?`}, `has_prefix(name, "/a\042", 3)`, ""},
		{[]string{long}, `has_prefix(name, "` + long[:64] + `", 64)`, ""},
		{[]string{"/**"}, "", ""},
		{[]string{"**"}, "", ""},
	} {
		var globs Globs
		for _, p := range test.patterns {
			globs = append(globs, glob(t, p))
		}
		if got := globs.kernelAllows(startsWith); got != test.allows {
			t.Errorf("%q allows %s, want %s", test.patterns, got, test.allows)
		}
		if got := globs.kernelExcludes(); got != test.excludes {
			t.Errorf("%q excludes %s, want %s", test.patterns, got, test.excludes)
		}
	}
}

// The kernel's part of a filter never drops a name that the pattern shows, and the
// quick look at the start of a name never changes the answer.
func TestFewer(t *testing.T) {
	for _, test := range []struct{ given, want []string }{
		{nil, nil},
		{[]string{"/b", "/a"}, []string{"/a", "/b"}},
		{[]string{"/a", "/ab", "/ac", "/a"}, []string{"/a"}},
		{[]string{"/a", ""}, []string{""}},
		{[]string{"1", "2", "3", "4", "5", "6", "7", "8"}, []string{"1", "2", "3", "4", "5", "6", "7", "8"}},
		{[]string{"x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "y12345"}, []string{"x", "y"}},
		{[]string{"1", "2", "3", "4", "5", "6", "7", "8", "9"}, []string{""}},
	} {
		if got := fewer(test.given); !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.given, got, test.want)
		}
	}
}

// A comma is a character like others, also where ** is only a part of a folder's name.
func TestCommaInGlob(t *testing.T) {
	g, err := ParseGlob("/x/a,b**")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"/x/a,b": true, "/x/a,bc": true, "/x/a,bc/d/e": true, "/x/a": false, "/x/b": false} {
		if got := g.Match([]byte(name)); got != want {
			t.Errorf("%s: %t, want %t", name, got, want)
		}
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("/etc/**", "/etc/passwd")
	f.Add("**.conf", "/etc/a.conf")
	f.Add("/a{b,c}/*", "/ab/x")
	f.Add("/**", "/")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		g, err := ParseGlob(pattern)
		if err != nil {
			return
		}
		if g.whole || strings.ContainsRune(pattern, utf8.RuneError) {
			return // doublestar takes all bytes that are not UTF-8 for the same
		}
		matches := doublestar.MatchUnvalidated(g.pattern, name)
		if g.Match([]byte(name)) != matches {
			t.Errorf("%q and %q: %v without the quick look", pattern, name, matches)
		}
		if g.below && !matches && (name == g.literal || strings.HasPrefix(name, g.literal+"/")) {
			t.Errorf("the kernel excludes %q, which %q does not match", name, pattern)
		}
	})
}

func TestTopsTheKernelCompares(t *testing.T) {
	for _, test := range []struct {
		patterns []string
		want     string
	}{
		{[]string{"/etc/**"}, `has_prefix(top, "etc\000", 4)`},
		{[]string{"/etc/passwd", "/usr/l*"}, `has_prefix(top, "etc\000", 4) || has_prefix(top, "usr\000", 4)`},
		{[]string{"/etc"}, `has_prefix(top, "etc\000", 4)`},
		{[]string{"/et*"}, `has_prefix(top, "et", 2)`},
		{[]string{"/usr**"}, `has_prefix(top, "usr", 3)`},
		{[]string{"/etc/**", "*.so"}, ""},
		{[]string{"/**"}, ""},
		{[]string{"/*/passwd"}, ""},
		{nil, ""},
	} {
		var globs Globs
		for _, p := range test.patterns {
			globs = append(globs, glob(t, p))
		}
		if got := globs.kernelTops(); got != test.want {
			t.Errorf("%q: %s, want %s", test.patterns, got, test.want)
		}
	}
}
