package probe

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"opensnoop/bpf"
	"opensnoop/internal/kernel"
)

func TestChoose(t *testing.T) {
	for name, want := range map[string][]*Probe{
		"":           {&fentry, &kprobe, &tracepoint},
		Auto:         {&fentry, &kprobe, &tracepoint},
		"fentry":     {&fentry},
		"kprobe":     {&kprobe},
		"tracepoint": {&tracepoint},
		"other":      nil,
	} {
		if got := Choose(name); !slices.Equal(got, want) {
			t.Errorf("%q: %v", name, got)
		}
	}
	if got := Names(); !slices.Equal(got, []string{"auto", "fentry", "kprobe", "tracepoint"}) {
		t.Errorf("names %q", got)
	}
}

func TestOpenSymbol(t *testing.T) {
	for version, want := range map[kernel.Version]string{
		kernel.NewVersion(4, 17, 0):   "do_sys_open",
		kernel.NewVersion(5, 5, 255):  "do_sys_open",
		kernel.NewVersion(5, 6, 0):    "do_sys_openat2",
		kernel.NewVersion(6, 12, 117): "do_sys_openat2",
	} {
		if got := OpenSymbol(version); got != want {
			t.Errorf("%v: %s, want %s", version, got, want)
		}
		if macros := kprobe.Macros(version); slices.Contains(macros, "DO_SYS_OPEN") != (want == "do_sys_open") {
			t.Errorf("%v: macros %q", version, macros)
		}
	}
}

// Every hook's program is in the source, and the last hook of each probe sees opens.
func TestHooksArePrograms(t *testing.T) {
	version := kernel.NewVersion(6, 12, 0)
	var hooks []Hook
	for _, p := range Probes {
		for _, results := range []bool{false, true} {
			all := p.Hooks(version, results)
			hooks = slices.Concat(hooks, all, p.Execs, []Hook{*p.Forks})
			if last := all[len(all)-1]; last.Optional || last.Quiet || !strings.HasSuffix(last.Program, "_enter") && !strings.HasSuffix(last.Program, "_exit") {
				t.Errorf("%s: the last hook is %+v", p.Name, last)
			}
		}
		for _, macro := range p.Macros(version) {
			if !strings.Contains(bpf.Source, macro) {
				t.Errorf("%s: the source knows no macro %s", p.Name, macro)
			}
		}
		if err := p.Available(os.DirFS("/")); err != nil && p == &tracepoint {
			t.Error(err)
		}
	}
	uring, err := IOUring(version, true)
	if err != nil {
		t.Fatal(err)
	}
	hooks = slices.Concat(hooks, uring, []Hook{Exits, Exec, Cgroups})
	for _, h := range hooks {
		if !regexp.MustCompile(`(?m)^int ` + h.Program + `\(`).MatchString(bpf.Source) {
			t.Errorf("there is no program %s", h.Program)
		}
		if len(h.At) == 0 {
			t.Errorf("%s attaches nowhere", h.Program)
		}
	}
	if _, err := IOUring(kernel.NewVersion(5, 19, 0), false); err == nil {
		t.Error("io_uring's tracepoint of Linux 5.19: no error")
	}
}
