package probe

import (
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"opensnoop/bpf"
	"opensnoop/internal/kernel"
)

func TestChoose(t *testing.T) {
	for name, want := range map[string][]*Probe{
		"":           {&fentry, &session, &kprobe, &tracepoint},
		Auto:         {&fentry, &session, &kprobe, &tracepoint},
		"fentry":     {&fentry},
		"session":    {&session},
		"kprobe":     {&kprobe},
		"tracepoint": {&tracepoint},
		"other":      nil,
	} {
		if got := Choose(name); !slices.Equal(got, want) {
			t.Errorf("%q: %v", name, got)
		}
	}
	if got := Names(); !slices.Equal(got, []string{"auto", "fentry", "session", "kprobe", "tracepoint"}) {
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
		if macros := kprobe.Macros(&kernel.Facts{Version: version}); slices.Contains(macros, "DO_SYS_OPEN") != (want == "do_sys_open") {
			t.Errorf("%v: macros %q", version, macros)
		}
	}
}

// Every hook's program is in the source, and the last hook of each probe sees opens.
func TestHooksArePrograms(t *testing.T) {
	facts := &kernel.Facts{Version: kernel.NewVersion(6, 12, 0), Arch: runtime.GOARCH}
	var hooks []Hook
	for _, p := range Probes {
		for _, results := range []bool{false, true} {
			all := p.Hooks(facts, results)
			hooks = slices.Concat(hooks, all, []Hook{*p.Forks})
			if p.Execs != nil {
				hooks = append(hooks, p.Execs(runtime.GOARCH)...)
			}
			if last := all[len(all)-1]; last.Optional || last.Hidden || !regexp.MustCompile(`_(enter|exit|session)$`).MatchString(last.Program) {
				t.Errorf("%s: the last hook is %+v", p.Name, last)
			}
		}
		for _, macro := range p.Macros(facts) {
			if !strings.Contains(bpf.Source, macro) {
				t.Errorf("%s: the source knows no macro %s", p.Name, macro)
			}
		}
		if err := p.Detect(facts); err != nil && p == &tracepoint {
			t.Error(err)
		}
	}
	uring, err := IOUring(facts.Version, true)
	if err != nil {
		t.Fatal(err)
	}
	hooks = slices.Concat(hooks, uring, []Hook{Exits, Exec, Cgroups})
	text, err := bpf.Text("x86", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hooks {
		if !regexp.MustCompile(`(?m)^static __always_inline int on_` + h.Program + `\((FUNCTION|` + h.Kind.Context() + `) \*ctx\)`).MatchString(text) {
			t.Errorf("there is no program %s of a %s", h.Program, h.Kind)
		}
		if len(h.At) == 0 {
			t.Errorf("%s attaches nowhere", h.Program)
		}
	}
	if _, err := IOUring(kernel.NewVersion(5, 19, 0), false); err == nil {
		t.Error("io_uring's tracepoint of Linux 5.19: no error")
	}
}
