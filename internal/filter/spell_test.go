package filter

import "testing"

func TestNearest(t *testing.T) {
	words := []string{"fd", "err", "pid", "columns", "exclude-path", "extended-fields", "O_WRONLY", "O_RDONLY"}
	for word, want := range map[string]string{
		"colums":   "columns",
		"column":   "columns",
		"exclude":  "exclude-path",
		"pdi":      "pid",
		"O_WRONL":  "O_WRONLY",
		"RDONLY":   "O_RDONLY",
		"pid":      "pid",
		"foo":      "",
		"xy":       "", // as far from fd as from nothing
		"":         "",
		"whatever": "",
	} {
		if got := Nearest(word, words); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"abc", "acb", 1}, {"abcd", "abxcd", 1}} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("%q and %q: %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
