package record

import (
	"bytes"
	"strings"
	"testing"

	"opensnoop/internal/event"
	"opensnoop/internal/format"
)

// Containers within each other come back as they were, and none is left of the row before.
func TestContainers(t *testing.T) {
	outer := event.Container{ID: "ab", Name: "node", Image: "kind:1", Runtime: "docker", UID: 1000}
	outer.SetTitle()
	inner := event.Container{ID: "cd", Pod: "dns-1", Namespace: "kube-system", Outer: &outer}
	inner.SetTitle()
	row := func(container string) string {
		return strings.Replace(testRow, `"container":null`, `"container":`+container, 1)
	}
	text := testStart + strings.ReplaceAll(row(string(format.AppendContainer(nil, &inner)))+
		row(string(format.AppendContainer(nil, &outer)))+row(`{"id":"x","uid":4294967296}`), "%d", "0")
	in, err := NewReader(bytes.NewReader([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var e event.Event
	if err := in.Next(&e); err != nil || e.Container.Title != "node@1000/cd" || e.Container.Pod != "dns-1" || *e.Container.Outer != outer {
		t.Errorf("%v, %+v", err, e.Container)
	}
	if err := in.Next(&e); err != nil || *e.Container != outer {
		t.Errorf("%v, %+v", err, e.Container)
	}
	if err := in.Next(&e); err == nil {
		t.Errorf("a user of 33 bits: %+v", e.Container)
	}
}

// Units come back as they were; where they were recorded, a row without one is of none.
func TestUnits(t *testing.T) {
	start := strings.Replace(testStart, `"lost"`, `"columns":["unit","container","file"],"lost"`, 1)
	var rows strings.Builder
	for _, fields := range []string{
		`,"unit":"nginx.service","unit_within":["system.slice","user@1.service"]`, ``, `,"unit":null`, `,"unit_problem":"unknown"`,
	} {
		rows.WriteString(`{"seq":0,"time":"2026-11-30T12:00:01Z","file":"/x"` + fields + "}\n")
	}
	for _, test := range []struct {
		start string
		want  [4]*event.Unit
	}{
		{start, [4]*event.Unit{{Name: "nginx.service", Within: "system.slice|user@1.service"}, event.NoUnit, event.NoUnit, nil}},
		{testStart, [4]*event.Unit{{Name: "nginx.service", Within: "system.slice|user@1.service"}, nil, nil, nil}},
	} {
		in, err := NewReader(strings.NewReader(test.start + rows.String()))
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		var e event.Event
		for i, want := range test.want {
			if err := in.Next(&e); err != nil {
				t.Fatal(err)
			}
			if (e.Unit == nil) != (want == nil) || want != nil && *e.Unit != *want {
				t.Errorf("row %d: %+v, want %+v", i, e.Unit, want)
			}
			if recorded := test.start == start; recorded != (e.Container == event.Host) {
				t.Errorf("row %d: container %+v", i, e.Container)
			}
		}
	}
}
