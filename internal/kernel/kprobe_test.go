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

func TestTrampolines(t *testing.T) {
	for text, want := range map[string]bool{"1\n": true, "0\n": false} {
		root := fstest.MapFS{"proc/sys/kernel/ftrace_enabled": {Data: []byte(text)}, "sys/kernel/btf/vmlinux": {}}
		if err := Trampolines(root); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
	for what, file := range map[string]string{"ftrace": "sys/kernel/btf/vmlinux", "types": "proc/sys/kernel/ftrace_enabled"} {
		if Trampolines(fstest.MapFS{file: {Data: []byte("1\n")}}) == nil {
			t.Errorf("without %s: no error", what)
		}
	}
}
