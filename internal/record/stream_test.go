package record

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// lines decodes each line as an object.
func lines(t *testing.T, text string) (objects []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		objects = append(objects, object)
	}
	return objects
}

func TestStream(t *testing.T) {
	var out strings.Builder
	s := New(&out, "boot-1")
	row := func() { out.WriteString("{" + string(s.AppendSeq(nil)) + "\"file\":\"x\"}\n") }
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(s.Start(Start{Version: "v", Host: "h", Probe: "kprobe", BootTime: time.Unix(1, 0).UTC()}))
	row()
	row()
	check(s.Lost(Lost{Causes: map[string]uint64{"buffer": 3}, Doubtful: 2}))
	check(s.Alive())
	row()
	check(s.End(Lost{Causes: map[string]uint64{"buffer": 5}}))

	got := lines(t, out.String())
	want := []struct {
		record         any
		seq            any
		rows           any
		buffer         any
		doubtful       any
		onlyInTheStart any
	}{
		{"start", nil, 0., nil, 0., 1.},
		{nil, 0., nil, nil, nil, nil},
		{nil, 1., nil, nil, nil, nil},
		{"lost", nil, 2., 3., 2., nil},
		{"alive", nil, 2., 3., 2., nil},
		{nil, 2., nil, nil, nil, nil},
		{"end", nil, 3., 5., 0., nil},
	}
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(got), len(want), out.String())
	}
	for i, w := range want {
		g := got[i]
		lost, _ := g["lost"].(map[string]any)
		if g["record"] != w.record || g["seq"] != w.seq || g["rows"] != w.rows || lost["buffer"] != w.buffer || g["doubtful"] != w.doubtful || g["format"] != w.onlyInTheStart {
			t.Errorf("line %d is %v, want %+v", i, g, w)
		}
		if g["record"] != nil && (g["run"] != "boot-1" || g["time"] == "" || lost == nil) {
			t.Errorf("line %d has no run, time or lost: %v", i, g)
		}
	}
}

func TestAliveDue(t *testing.T) {
	s := New(&strings.Builder{}, "r")
	if err := s.Start(Start{}); err != nil {
		t.Fatal(err)
	}
	if s.AliveDue() {
		t.Error("alive is due right after a record")
	}
	s.alive = time.Now().Add(-time.Nanosecond)
	if !s.AliveDue() {
		t.Error("alive is not due though its time has come")
	}
}

func BenchmarkAppendSeq(b *testing.B) {
	s, row := New(&strings.Builder{}, "r"), make([]byte, 0, 64)
	for b.Loop() {
		row = s.AppendSeq(row[:0])
	}
}
