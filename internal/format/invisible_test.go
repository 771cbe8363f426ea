package format

import "testing"

// What shows as nothing is escaped: else two names would look the same.
func TestInvisibleCharacters(t *testing.T) {
	for text, want := range map[string]string{
		"a\u3164":                   `a\xe3\x85\xa4`,
		"a\u2800":                   `a\xe2\xa0\x80`,
		"a\ufe0f":                   `a\xef\xb8\x8f`,
		"a\u034f":                   `a\xcd\x8f`,
		"\u115f\u1160\uffa0":        `\xe1\x85\x9f\xe1\x85\xa0\xef\xbe\xa0`,
		"\u0301a":                   `\xcc\x81a`,
		"/\u0301":                   `/\xcc\x81`,
		"e\u0301":                   "e\u0301",
		"e\u0301\u0302":             "e\u0301\u0302",
		"e\u0301\u0302\u0303\u0304": "e\u0301\u0302\u0303" + `\xcc\x84`,
		"\u0915\u094d\u0937":        "\u0915\u094d\u0937",
		"\u200b\u00ad\u2060":        `\xe2\x80\x8b\xc2\xad\xe2\x81\xa0`,
	} {
		if got := string(AppendEscaped(nil, []byte(text))); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if got, want := string(AppendJSON(nil, []byte("a\u3164\u0301"))), `"a\u3164\u0301"`; got != want {
		t.Errorf("as JSON: %s, want %s", got, want)
	}
}

func TestColumnsOfText(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "abc": 3, "smörgås": 7, "日本": 4, "e\u0301": 1, "🐧": 2, "ﾊﾛｰ": 3, "Ａ": 2, "한": 2,
	} {
		if got := columns([]byte(text)); got != want {
			t.Errorf("%q takes %d columns, want %d", text, got, want)
		}
	}
}
