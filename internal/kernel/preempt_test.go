package kernel

import "testing"

func TestBuiltPreemption(t *testing.T) {
	for build, want := range map[string]struct {
		mode    Preemption
		dynamic bool
	}{
		"#1 SMP PREEMPT_DYNAMIC Debian 6.12.48-1 (2025-09-20)": {"", true},
		"#1 SMP PREEMPT_RT Debian 6.12.48-1 (2025-09-20)":      {PreemptFull, false},
		"#1 SMP PREEMPT Thu Jan 1 00:00:00 UTC 2026":           {PreemptFull, false},
		"#1 SMP PREEMPT_LAZY Thu Jan 1 00:00:00 UTC 2026":      {PreemptLazy, false},
		"#1 SMP Debian 5.10.1-1":                               {PreemptVoluntary, false},
	} {
		if mode, dynamic := builtPreemption(build); mode != want.mode || dynamic != want.dynamic {
			t.Errorf("%s: %q, %v", build, mode, dynamic)
		}
	}
}

func TestParsePreemption(t *testing.T) {
	for line, want := range map[string]Preemption{
		"none (voluntary) full \n": PreemptVoluntary, "(none) voluntary full\n": PreemptNone,
		"none voluntary full (lazy)\n": PreemptLazy, "": "", "none voluntary": "", "(": "",
	} {
		if got, err := parsePreemption(line); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
}
