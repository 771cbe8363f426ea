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
