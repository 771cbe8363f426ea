package summary

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opensnoop/internal/event"
	"opensnoop/internal/terminal"
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
	if err := s.WriteTable(&table); err != nil {
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
		"page":        {Options{}, Page{80, 24, 61 * time.Second, true}},
		"page-narrow": {Options{Color: true}, Page{30, 24, time.Second, true}},
		"page-low":    {Options{Order: ByFailed}, Page{80, 9, time.Second, false}},
		"page-key":    {Options{Order: ByKey, By: Bys}, Page{120, 60, time.Second, true}},
		"page-tiny":   {Options{}, Page{1, 1, 0, true}},
	} {
		test.o.Results = true
		s := New(test.o)
		bys(s)
		page := s.AppendPage(nil, test.page)
		golden(t, name, page)
		if n := bytes.Count(page, []byte("\n")); n > max(1, test.page.Height-1) {
			t.Errorf("%s: %d lines for a terminal of %d", name, n, test.page.Height)
		}
	}
}

func TestLive(t *testing.T) {
	var b bytes.Buffer
	keys := make(chan byte, 10)
	quit := 0
	l := NewLive(NewWriter(&b, WriterOptions{}), LiveOptions{
		WriterOptions: WriterOptions{Every: time.Hour},
		Size:          func() (int, int) { return 80, 24 },
		Keys:          keys,
		Quit:          func() { quit++ },
	})
	step := func(what string, do func() error, want ...string) {
		t.Helper()
		b.Reset()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		got := b.String()
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: %q has no %q", what, got, part)
			}
		}
		if len(want) == 0 && got != "" {
			t.Errorf("%s: %q", what, got)
		}
	}
	step("header", l.Header, terminal.Enter, "0 opens")
	if err := l.Event(open(1, "cat", "/a", 3)); err != nil {
		t.Fatal(err)
	}
	step("before its time", l.Flush)
	keys <- 's'
	step("sorting", l.Flush, "1 opens", "sorted by failed", "/a")
	keys <- 'x'
	keys <- 'c'
	step("anew", l.Flush, "0 opens")
	if err := l.Event(open(1, "cat", "/b", 3)); err != nil {
		t.Fatal(err)
	}
	keys <- 'q'
	step("quitting", l.Flush, "1 opens")
	if quit != 1 {
		t.Errorf("%d times ended", quit)
	}
	step("the end", l.Close, terminal.Leave, "1 opens", "/b")
}
