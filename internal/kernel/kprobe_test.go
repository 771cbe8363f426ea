package kernel

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestKprobes(t *testing.T) {
	for file, want := range map[string]bool{
		"sys/bus/event_source/devices/kprobe/type":     true,
		"sys/kernel/tracing/kprobe_events":             true,
		"sys/kernel/debug/tracing/kprobe_events":       true,
		"sys/bus/event_source/devices/uprobe/type":     false,
		"sys/bus/event_source/devices/tracepoint/type": false,
		"sys/kernel/tracing/uprobe_events":             false,
		"kprobe_events":                                false,
	} {
		err := Kprobes(fstest.MapFS{file: {Data: []byte("8\n")}})
		if (err == nil) != want {
			t.Errorf("with %s: %v", file, err)
		}
		if err != nil && !strings.Contains(err.Error(), "CONFIG_KPROBES") {
			t.Errorf("with %s, the error does not say what is missing: %v", file, err)
		}
	}
}
