package summary

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"opensnoop/internal/event"
	"opensnoop/internal/format"
	"opensnoop/internal/stream"
)

// bys adds opens that differ in all that can be counted by.
func bys(s *Summary) {
	sample(s)
	box := &event.Container{ID: strings.Repeat("ab", 32), Name: "web\x1b[2J", Title: "web\x1b[2J", Runtime: "docker"}
	for i, e := range []event.Event{
		{UID: 0, Container: event.Host, Exe: event.Place{Known: []byte("/usr/bin/a\xff")}},
		{UID: 4294967294, Container: box, Exe: event.Place{Known: []byte("/usr/bin/b"), Problem: event.PathDeletedFile}},
		{UID: 4294967294, Container: &event.Container{ID: strings.Repeat("cd", 32), Title: "cdcdcdcdcdcd"}, Exe: event.Place{Problem: event.PathNone}},
		{UID: 4294967293, Container: nil, Exe: event.Place{Known: []byte("/usr/bin/b")}},
	} {
		e.Name, e.Comm, e.TGID, e.Result = []byte("/x"), []byte("c"), 1, -2
		e.Fields = event.AllFields
		for range i + 1 {
			s.Add(&e)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("../../testdata/summary", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func TestBys(t *testing.T) {
	s := New(Options{By: Bys, Results: true})
	bys(s)
	var table, json bytes.Buffer
	if err := s.writeTable(&table); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteJSON(&json, Period{}, nil); err != nil {
		t.Fatal(err)
	}
	golden(t, "table-by-all", table.Bytes())
	golden(t, "json-by-all", json.Bytes())
	for _, by := range Bys {
		if FindBy(by.Name) != by {
			t.Errorf("%s is not found", by.Name)
		}
	}
}

func TestPages(t *testing.T) {
	for name, test := range map[string]struct {
		o    Options
		page Page
	}{
		"page":         {Options{}, Page{Width: 80, Height: 24, For: 61 * time.Second, Keys: true}},
		"page-small":   {Options{Color: true}, Page{Width: 40, Height: 15, For: time.Second, Keys: true, Message: lossMessage}},
		"page-low":     {Options{Order: ByFailed}, Page{Width: 80, Height: 9, For: time.Second}},
		"page-large":   {Options{Order: ByKey, By: Bys}, Page{Width: 120, Height: 40, For: time.Second, Keys: true, Message: lossMessage}},
		"page-one":     {Options{By: Bys}, Page{Width: 60, Height: 10, Keys: true, Only: 3, Top: 2}},
		"page-filter":  {Options{}, Page{Width: 60, Height: 12, Keys: true, Filter: []byte("S"), Typing: true}},
		"page-nothing": {Options{}, Page{Width: 60, Height: 12, Keys: true, Filter: []byte("no such name"), Top: 7}},
		"page-help":    {Options{}, Page{Width: 40, Height: 15, Keys: true, Help: true}},
		"page-tiny":    {Options{}, Page{Width: 1, Height: 1, Keys: true}},
		"page-none":    {Options{}, Page{}},
	} {
		test.o.Results = true
		s := New(test.o)
		bys(s)
		page, _ := s.appendPage(nil, test.page)
		golden(t, name, page)
		wantFits(t, name, page, test.page)
	}
}

const lossMessage = "lost 1234 opens so far: the perf buffer was full; a larger one (-b) or a filter (-p) helps"

// wantFits checks that a page is as high as the terminal, and no line wider.
func wantFits(t *testing.T, name string, page []byte, p Page) {
	t.Helper()
	lines := strings.Split(string(page), "\n")
	if len(lines) != max(p.Height, 1) {
		t.Errorf("%s: %d lines for a terminal of %d", name, len(lines), p.Height)
	}
	for _, line := range lines {
		if n := format.Width([]byte(controls.ReplaceAllString(line, ""))); n > p.Width {
			t.Errorf("%s: a line of %d columns in %d: %q", name, n, p.Width, line)
		}
	}
}

var controls = regexp.MustCompile("\x1b\\[[0-9]*[HJKm]")

// Pages fit whatever the terminal's size, and show nothing of a name that could garble it.
func FuzzPage(f *testing.F) {
	f.Add(40, 15, 0, 0, "a", false)
	f.Add(7, 3, 2, 100, "\\x", true)
	s := New(Options{By: Bys, Results: true, Color: true})
	bys(s)
	f.Fuzz(func(t *testing.T, width, height, only, top int, text string, flag bool) {
		p := Page{
			Width: width & 0xff, Height: height & 0x7f, Only: only & 7 % (len(Bys) + 1), Top: top & 0xffff, Filter: []byte(text),
			Keys: true, Message: string(format.AppendPrintable(nil, []byte(text))), Typing: flag, Help: flag && top&1 == 0,
		}
		page, most := s.appendPage(nil, p)
		wantFits(t, "page", page, p)
		if most < 0 || bytes.ContainsAny(controls.ReplaceAll(page, nil), "\x1b\r\x00") {
			t.Errorf("%d rows above %q", most, page)
		}
	})
}

// live is a Live on a terminal of 60 by 12, and its keys.
func live(t *testing.T, b *bytes.Buffer, o LiveOptions) (l *Live, keys chan stream.Key) {
	t.Helper()
	keys = make(chan stream.Key, 100)
	o.Keys, o.HasKeys, o.Every = keys, true, time.Hour
	o.Size = func() (int, int) { return 60, 12 }
	return NewLive(NewWriter(b, WriterOptions{}), o), keys
}

func TestLive(t *testing.T) {
	var b bytes.Buffer
	quit, message, calls := 0, "", ""
	l, keys := live(t, &b, LiveOptions{
		Quit:     func() { quit++ },
		Message:  func() string { return message },
		Stop:     func() error { calls += "stop "; return nil },
		Continue: func() error { calls += "continue "; return nil },
	})
	step := func(what string, do func() error, want ...string) {
		t.Helper()
		b.Reset()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		got := b.String()
		for _, part := range want {
			if without, ok := strings.CutPrefix(part, "!"); ok == strings.Contains(got, without) {
				t.Errorf("%s: %q, want %q", what, got, part)
			}
		}
		if len(want) == 0 && got != "" {
			t.Errorf("%s: %q", what, got)
		}
	}
	press := func(pressed ...stream.Key) func() error {
		for _, key := range pressed {
			keys <- key
		}
		return l.Flush
	}
	step("header", l.Header, stream.EnterPage, "0 opens")
	for i := range 20 {
		if err := l.Event(open(1, "cat", fmt.Sprintf("/file-%02d", i), 3)); err != nil {
			t.Fatal(err)
		}
	}
	step("before its time", l.Flush)
	step("sorting", press('s'), "20 opens", "sorted by failed", "/file-00", "!/file-19")
	step("the last rows", press(stream.End), "/file-19", "!/file-00")
	step("beyond them", press('j', stream.Down, stream.PageDown), "/file-19")
	step("one up", press('k'), "!/file-19", "/file-18")
	step("the first rows", press(stream.Home, stream.Up), "/file-00")
	step("one table", press(stream.Tab), "FILE", "!COMM", "/file-07")
	step("the other", press(stream.Tab), "!FILE", "COMM")
	step("both", press(stream.Tab), "FILE", "COMM")
	step("help", press('?'), "Enter keeps it", "!/file-00")
	step("no more help", press('x'), "/file-00")
	step("typing", press('/', '1', '7', 'x', stream.Backspace), "/17█", "/file-17", "!/file-16", "!q: quit")
	step("typed", press(stream.Enter), "only 17", "/file-17", "!/file-16", "q: quit")
	step("all again", press(stream.Escape), "!only", "/file-00")
	step("typed in vain", press('/', 'q', stream.Escape), "!only", "/file-00")
	step("nothing new", l.Flush)
	message = "opens were lost"
	step("a message", l.Flush, "opens were lost")
	step("it stays", press('s'), "sorted by name", "opens were lost")
	step("a stop", press(stream.Stop), stream.LeavePage, stream.EnterPage, "/file-00")
	step("a stop that nobody announced", press(stream.Continued), stream.EnterPage, "/file-00")
	step("another size", press(stream.Resized), "/file-00")
	step("anew", press('c'), "0 opens", "!/file-00")
	if err := l.Event(open(1, "cat", "/b", 3)); err != nil {
		t.Fatal(err)
	}
	step("quitting", press('q'), "1 opens")
	if quit != 1 || calls != "stop continue " {
		t.Errorf("%d times ended, called %q", quit, calls)
	}
	step("the end", l.Close, stream.LeavePage, "1 opens", "/b")
	step("the end again", l.leave)
}
