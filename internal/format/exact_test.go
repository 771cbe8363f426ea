package format

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"opensnoop/internal/event"
)

// hostile are names and comms that tend to break formats.
var hostile = []string{
	"", " ", "/etc/passwd", "\n", "a\r\nb", "\t", "\\", `\n`, `\x41`, `\(bad address 0x0)`, `"`, `""`, ",", "a ", " a",
	"\x00\x01\x1f\x7f", "\x80", "\xff\xfe", "caf\xc3\xa9", "caf\xc3", "\xed\xa0\x80", "\xef\xbf\xbd", "\xef\xbf\xbd\xff",
	"\xe2\x80\xa8", "\xe2\x80\xae", "\xc2\x9b", "\xf0\x9f\x90\xa7", "\xf3\xa0\x80\x81", "\xf4\x8f\xbf\xbf", "|", "=1+1", "</script>",
}

// unescaped turns back what AppendEscaped made.
func unescaped(text []byte) ([]byte, error) {
	var b []byte
	for len(text) > 0 {
		if text[0] != '\\' {
			b = append(b, text[0])
			text = text[1:]
			continue
		}
		if len(text) < 2 {
			return nil, fmt.Errorf("nothing behind the backslash")
		}
		size := 2
		switch text[1] {
		case '\\':
			b = append(b, '\\')
		case 'n':
			b = append(b, '\n')
		case 't':
			b = append(b, '\t')
		case 'x':
			size = 4
			n, err := strconv.ParseUint(string(text[2:min(size, len(text))]), 16, 8)
			if err != nil {
				return nil, err
			}
			b = append(b, byte(n))
		default:
			return nil, fmt.Errorf("%q is no escape", text[:2])
		}
		text = text[size:]
	}
	return b, nil
}

func FuzzEscape(f *testing.F) {
	for _, text := range hostile {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		escaped := AppendEscaped(nil, text)
		got, err := unescaped(escaped)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%q escaped is %q, turned back %q, %v", text, escaped, got, err)
		}
		safe(t, escaped)
		if bytes.HasSuffix(escaped, []byte(" ")) {
			t.Errorf("%q escaped is %q, with a blank at the end", text, escaped)
		}
		if bytes.HasPrefix(escaped, []byte(`\(`)) {
			t.Errorf("%q escaped is %q, like a mark", text, escaped)
		}
		safe(t, AppendPrintable(nil, text))
	})
}

// safe holds that text is on one line and in printable characters only.
func safe(t *testing.T, text []byte) {
	t.Helper()
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			t.Fatalf("%q has %q", text, rest[:size])
		}
		rest = rest[size:]
	}
}

// Whatever the bytes of an event, its JSON is valid and has them exactly, and its
// CSV has the same values.
func FuzzJSONAndCSV(f *testing.F) {
	for i, text := range hostile {
		f.Add([]byte(text), []byte(hostile[len(hostile)-1-i]), uint64(i), uint64(1<<63>>i), int32(-i), byte(i%3))
	}
	f.Add([]byte("a"), []byte("b"), uint64(1<<64-1), uint64(1<<64-1), event.ResultUnknown, byte(0))
	f.Fuzz(func(t *testing.T, name, comm []byte, time, flags uint64, result int32, kind byte) {
		e := event.Event{Time: time, TGID: uint32(time), TID: uint32(flags), Comm: comm, NameKind: event.NameKind(kind % 3),
			Fields: allFields, UID: uint32(flags), PPID: 1, Flags: flags, Mode: uint32(flags), Result: result}
		if e.NameKind == event.NameRead {
			e.Name = name
		} else {
			e.Address = flags
		}
		object := decoded(t, &e)
		for _, field := range []struct {
			key  string
			text []byte
		}{{"comm", comm}, {"file", e.Name}} {
			exact, given := object[field.key+"_base64"].(string)
			if given == utf8.Valid(field.text) {
				t.Errorf("%s_base64 of %q is %q", field.key, field.text, exact)
			}
			plain, _ := object[field.key].(string)
			if want := strings.ToValidUTF8(string(field.text), "\x00"); !given && plain != want {
				t.Errorf("%s is %q, want %q", field.key, plain, want)
			}
			if given && plain != string([]rune(string(field.text))) {
				t.Errorf("%s is %q of %q", field.key, plain, field.text)
			}
			if b, err := base64.StdEncoding.DecodeString(exact); given && (err != nil || !bytes.Equal(b, field.text)) {
				t.Errorf("%s_base64 is %q, of %q: %v", field.key, b, field.text, err)
			}
		}
		if kind, want := e.NameKind, "0x"+strconv.FormatUint(flags, 16); kind == event.NameBad && object["bad_address"] != want ||
			kind == event.NameUnseen && object["unread_address"] != want || kind != event.NameRead && object["file"] != nil {
			t.Errorf("%v of a name of the kind %d", object, kind)
		}
		sameCSV(t, &e, object)
	})
}

// decoded returns an event's JSON as a decoder reads it, with all columns.
func decoded(t *testing.T, e *event.Event) map[string]any {
	t.Helper()
	line := written(t, []event.Event{*e}, func(w io.Writer) Writer { return testJSON(w, Options{Columns: Columns, Boot: atBoot}) })
	safe(t, bytes.TrimSuffix(line, []byte("\n")))
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return object
}

// sameCSV holds that an event's CSV has the values of its JSON.
func sameCSV(t *testing.T, e *event.Event, object map[string]any) {
	t.Helper()
	text := written(t, []event.Event{*e}, func(w io.Writer) Writer { return testCSV(w, Options{Columns: Columns, Boot: atBoot}) })
	records, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(records) != 2 {
		t.Fatalf("%q: %d records, %v", text, len(records), err)
	}
	seen := 0
	for i, key := range records[0] {
		value, ok := object[key]
		if ok {
			seen++
		}
		want := ""
		switch value := value.(type) {
		case nil:
		case []any:
			var parts []string
			for _, part := range value {
				parts = append(parts, part.(string))
			}
			want = strings.Join(parts, "|")
		default:
			want = fmt.Sprint(value)
		}
		// encoding/csv reads CR LF as LF.
		if got := records[1][i]; got != strings.ReplaceAll(want, "\r\n", "\n") {
			t.Errorf("%s is %q in CSV and %q in JSON", key, got, want)
		}
	}
	if seen != len(object) {
		t.Errorf("CSV has %d of JSON's %d fields: %q", seen, len(object), text)
	}
}

// What a reader of JSON gets, field by field.
func TestJSONValues(t *testing.T) {
	for _, test := range []struct {
		event event.Event
		want  map[string]any // of fields that matter
	}{
		{event.Event{Time: 3, Fields: allFields, Flags: 0o101, Mode: 0o640, Result: 5}, map[string]any{
			"time": "2024-02-28T23:59:58.987654324-03:30", "seconds": json.Number("0.000000000"),
			"fd": json.Number("5"), "errno": json.Number("0"), "error": nil, "flags": json.Number("65"),
			"flag_names": []any{"O_WRONLY", "O_CREAT"}, "mode": "0640", "user": "root", "uid": json.Number("0"),
		}},
		{event.Event{Fields: allFields, UID: 9, Result: -13}, map[string]any{
			"fd": json.Number("-1"), "errno": json.Number("13"), "error": "EACCES", "mode": nil, "user": "9",
		}},
		{event.Event{Fields: allFields, Result: -999}, map[string]any{"errno": json.Number("999"), "error": "999"}},
		{event.Event{Fields: allFields, Result: event.ResultUnknown}, map[string]any{"fd": nil, "errno": nil, "error": nil}},
		{event.Event{}, map[string]any{"fd": nil, "uid": nil, "user": nil, "ppid": nil, "flags": nil, "flag_names": nil, "mode": nil, "file": ""}},
	} {
		object := decoded(t, &test.event)
		for key, want := range test.want {
			got, ok := object[key]
			if !ok || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
				t.Errorf("%s of %+v is %#v (there: %v), want %#v", key, test.event, got, ok, want)
			}
		}
	}
}

// JSON has what is recorded, in whatever order the columns are asked for.
func TestJSONFields(t *testing.T) {
	for _, test := range []struct{ columns, want string }{
		{"file", "time seconds pid tid comm file"},
		{"err", "time seconds pid tid fd errno error comm file"},
		{"mode,uid", "time seconds pid tid uid flags flag_names mode comm file"},
		{"user,ppid", "time seconds pid tid ppid uid user comm file"},
	} {
		columns, err := ParseColumns(test.columns)
		if err != nil {
			t.Fatal(err)
		}
		line := written(t, []event.Event{{}}, func(w io.Writer) Writer { return NewJSON(w, Options{Columns: columns}) })
		var keys []string
		decoder := json.NewDecoder(bytes.NewReader(line))
		for depth := 0; ; {
			token, err := decoder.Token()
			if err == io.EOF {
				break
			}
			if delimiter, ok := token.(json.Delim); ok {
				depth += map[json.Delim]int{'{': 1, '}': -1}[delimiter]
			} else if key, ok := token.(string); ok && depth == 1 && key != "" {
				keys = append(keys, key)
			}
		}
		// The time is a string too, the only value here that is one and not empty.
		if got := strings.Join(append(keys[:1:1], keys[2:]...), " "); got != test.want {
			t.Errorf("with the columns %s: %s, want %s", test.columns, got, test.want)
		}
	}
}

func TestCSVQuotes(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ""}, {"a b", "a b"}, {"a,b", `"a,b"`}, {`a"b`, `"a""b"`}, {`"`, `""""`}, {"a\nb", "\"a\nb\""},
		{"a\r\nb", "\"a\r\nb\""}, {" a", `" a"`}, {"a ", `"a "`}, {"\ta", "\"\ta\""}, {"\xff,\"\xff", "\"\ufffd,\"\"\ufffd\""},
	} {
		if got := string(appendCSV(nil, []byte(test.text))); got != test.want {
			t.Errorf("%q: %q, want %q", test.text, got, test.want)
		}
	}
	// Readers take an empty line for none.
	got := written(t, []event.Event{{}}, func(w io.Writer) Writer { return NewCSV(w, Options{Columns: columnsOf("ppid")}) })
	if want := "ppid\r\n\"\"\r\n"; string(got) != want {
		t.Errorf("a row of one empty field: %q, want %q", got, want)
	}
}
