package cli

import (
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/spf13/pflag"

	"opensnoop/internal/filter"
	"opensnoop/internal/probe"
)

// values make the value of each flag that is in values.go.
var values = map[string]func() pflag.Value{
	"pids":      func() pflag.Value { return new(filter.PIDs) },
	"seconds":   func() pflag.Value { return new(seconds) },
	"count":     func() pflag.Value { return new(count) },
	"pages":     func() pflag.Value { return new(pages) },
	"probeName": func() pflag.Value { return new(probeName) },
}

const (
	notABool   = "expected true or false, or no value for true"
	notABy     = "expected some of file, dir, process, program, user, container, took, live, or a time such as 10s, by commas"
	notAPID    = "not a process id: expected a number from 1 to 4194303, or several by commas"
	notATime   = "expected a time above 0: seconds such as 10, or 1m30s"
	notACount  = "expected a whole number above 0"
	notPages   = "expected a power of two from 1 to 524288"
	notAProbe  = "expected one of auto, fentry, session, kprobe, tracepoint"
	someThings = "\x00\x1b[31m\xff"
)

func TestValues(t *testing.T) {
	for _, test := range []struct {
		value string
		set   []string // one after the other
		want  string   // String, after it
		err   string   // of the last Set
	}{
		{"pids", []string{"1"}, "1", ""},
		{"pids", []string{"4194303"}, "4194303", ""},
		{"pids", []string{"007"}, "7", ""},
		{"pids", []string{"3,1,2"}, "3,1,2", ""},
		{"pids", []string{"3", "1,2", "3"}, "3,1,2,3", ""},
		{"pids", []string{""}, "", "no process id: if pgrep was to give one, it found none"},
		{"pids", []string{"0"}, "", notAPID},
		{"pids", []string{"-1"}, "", notAPID},
		{"pids", []string{"+1"}, "", notAPID},
		{"pids", []string{" 1"}, "", notAPID},
		{"pids", []string{"1 2"}, "", "put commas between process ids: 1,2 (pgrep -d,)"},
		{"pids", []string{"0x10"}, "", notAPID},
		{"pids", []string{"1.5"}, "", notAPID},
		{"pids", []string{"4194304"}, "", notAPID},
		{"pids", []string{"4294967297"}, "", notAPID}, // 1, cut to 32 bits
		{"pids", []string{"99999999999999999999"}, "", notAPID},
		{"pids", []string{"self"}, "", "not a process id: use -n self, or -p $(pgrep -d, self)"},
		{"pids", []string{"1,"}, "", notAPID},
		{"pids", []string{",1"}, "", notAPID},
		{"pids", []string{"1,x,2"}, "", "not a process id: use -n x, or -p $(pgrep -d, x)"},
		{"pids", []string{someThings}, "", notAPID},

		{"seconds", []string{"10"}, "10s", ""},
		{"seconds", []string{"0.25"}, "250ms", ""},
		{"seconds", []string{".5"}, "500ms", ""},
		{"seconds", []string{"1m30s"}, "1m30s", ""},
		{"seconds", []string{"1m30"}, "1m30s", ""},
		{"seconds", []string{"90"}, "1m30s", ""},
		{"seconds", []string{"2h"}, "2h0m0s", ""},
		{"seconds", []string{"100ms"}, "100ms", ""},
		{"seconds", []string{"5", "7"}, "7s", ""},
		{"seconds", []string{""}, "", notATime},
		{"seconds", []string{"0"}, "", notATime},
		{"seconds", []string{"0s"}, "", notATime},
		{"seconds", []string{"-1"}, "", notATime},
		{"seconds", []string{"-1m"}, "", notATime},
		{"seconds", []string{"0.0000000001"}, "", notATime},
		{"seconds", []string{"1 s"}, "", notATime},
		{"seconds", []string{"10x"}, "", notATime},
		{"seconds", []string{"s"}, "", notATime},
		{"seconds", []string{"NaN"}, "", notATime},
		{"seconds", []string{"inf"}, "", notATime},
		{"seconds", []string{"1e3"}, "", notATime},
		{"seconds", []string{"9223372037"}, "", notATime}, // 292 years in ns, and more
		{"seconds", []string{"1:30"}, "", notATime},

		{"count", []string{"1"}, "1", ""},
		{"count", []string{"9223372036854775807"}, "9223372036854775807", ""},
		{"count", []string{"5", "6"}, "6", ""},
		{"count", []string{""}, "", notACount},
		{"count", []string{"0"}, "", notACount},
		{"count", []string{"-5"}, "", notACount},
		{"count", []string{"1.5"}, "", notACount},
		{"count", []string{"ten"}, "", notACount},
		{"count", []string{"1k"}, "", notACount},
		{"count", []string{"9223372036854775808"}, "", notACount},

		{"pages", []string{"1"}, "1", ""},
		{"pages", []string{"2"}, "2", ""},
		{"pages", []string{"64"}, "64", ""},
		{"pages", []string{"524288"}, "524288", ""},
		{"pages", []string{""}, "", notPages},
		{"pages", []string{"0"}, "", notPages},
		{"pages", []string{"3"}, "", notPages},
		{"pages", []string{"-4"}, "", notPages},
		{"pages", []string{"4k"}, "", notPages},
		{"pages", []string{"1048576"}, "", notPages},
		{"pages", []string{"4294967296"}, "", notPages},
		{"pages", []string{"4294967297"}, "", notPages},

		{"probeName", []string{"auto"}, "auto", ""},
		{"probeName", []string{"kprobe"}, "kprobe", ""},
		{"probeName", []string{"tracepoint"}, "tracepoint", ""},
		{"probeName", []string{"kprobe", "auto"}, "auto", ""},
		{"probeName", []string{""}, "", notAProbe},
		{"probeName", []string{"Kprobe"}, "", notAProbe},
		{"probeName", []string{"kprobe "}, "", notAProbe},
		{"probeName", []string{"kprobe,tracepoint"}, "", notAProbe},
		{"probeName", []string{"fexit"}, "", notAProbe},
	} {
		v := values[test.value]()
		if v.String() != "" {
			t.Errorf("a new %s is %q", test.value, v)
		}
		var err error
		for _, text := range test.set {
			err = v.Set(text)
		}
		switch {
		case test.err != "":
			if err == nil || err.Error() != test.err {
				t.Errorf("%s %q: error %v, want %s", test.value, test.set, err, test.err)
			}
		case err != nil || v.String() != test.want:
			t.Errorf("%s %q: %q, error %v, want %q", test.value, test.set, v, err, test.want)
		}
	}
}

// FuzzValues checks that what a value takes is in its range, and that a value's
// text gives the same value.
func FuzzValues(f *testing.F) {
	for _, seed := range []string{"1", "1,2", "1m30s", "0.1", "64", "auto", "9223372036854775807", "-0", "", someThings} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, create := range values {
			v := create()
			if v.Set(text) != nil {
				continue
			}
			ok := false
			switch v := v.(type) {
			case *filter.PIDs:
				ok = len(*v) > 0 && slices.Min(*v) >= 1 && slices.Max(*v) < 1<<22
			case *seconds:
				ok = *v > 0
			case *count:
				ok = *v > 0
			case *pages:
				ok = *v > 0 && *v <= 1<<19 && *v&(*v-1) == 0
			case *probeName:
				ok = slices.Contains(probe.Names(), string(*v))
			}
			if !ok {
				t.Errorf("%s takes %q as %q", name, text, v)
			}
			again := create()
			if err := again.Set(v.String()); err != nil || again.String() != v.String() {
				t.Errorf("%s takes %q as %q, and that as %q, error %v", name, text, v, again, err)
			}
		}
	})
}

func TestThreadGroup(t *testing.T) {
	pid := uint32(os.Getpid())
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		tid, err := strconv.ParseUint(task.Name(), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		// A thread may have ended meanwhile.
		if tgid, err := threadGroup(uint32(tid)); err == nil && tgid != pid {
			t.Errorf("the thread %d is of the process %d, not of %d", tid, tgid, pid)
		}
	}
	if tgid, err := threadGroup(pid); err != nil || tgid != pid {
		t.Errorf("our own process is %d, error %v", tgid, err)
	}
	if _, err := threadGroup(1<<22 - 1); !os.IsNotExist(err) {
		t.Errorf("a process that is not there: %v", err)
	}
}
