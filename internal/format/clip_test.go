package format

import "testing"

func TestClip(t *testing.T) {
	for _, test := range []struct {
		line  string
		width int
		want  string
	}{
		{"", 10, ""},
		{"abc", 3, "abc"},
		{"abcd", 3, "abc"},
		{"日本語", 5, "日本"},
		{Dim + "abcd" + Reset + "e", 2, Dim + "ab" + Reset},
		{"a\x1b[", 5, "a\x1b["},
		{"abc", 0, ""},
	} {
		if got := string(Clip(nil, []byte(test.line), test.width)); got != test.want {
			t.Errorf("%q to %d columns: %q, want %q", test.line, test.width, got, test.want)
		}
	}
}
