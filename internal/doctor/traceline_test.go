package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const printk = "bpf_trace_printk"

// recorded are the lines of testdata, which kernels printed, by release.
var recorded = map[string][]traceLine{
	"5.10": {
		{"doctor-ac7c71bb", "118", "113", "001", "d...", "21.758111", printk, "Hello, World! doctor-ac7c71bb"},
		{"doctor-3ffdf5f5", "113", "113", "000", "d...", "23.085792", printk, "pid=113, file=/doctor-3ffdf5f5"},
		{"doctor-ac7c71bb", "118", "113", "001", "", "21.727344", printk, "Hello, World! doctor-ac7c71bb"},
	},
	"6.1": {
		{"doctor-0a8e6c7e", "128", "128", "000", "...21", "8.124079", printk, "Hello, World! doctor-0a8e6c7e"},
		{"<...>", "130", "", "001", "...21", "9.572028", printk, "pid=128, file=/doctor-66e4a0aa"},
		{"doctor-0a8e6c7e", "128", "128", "000", "", "8.113472", printk, "Hello, World! doctor-0a8e6c7e"},
	},
	"6.12": {
		{"doctor-031ee18d", "170", "170", "000", "...21", "10.419427", printk, "Hello, World! doctor-031ee18d"},
		{"doctor-4aa023b2", "170", "170", "001", "...21", "11.463188", printk, "pid=170, file=/doctor-4aa023b2"},
	},
	"6.18": {
		{"doctor-dbf30d43", "1423", "", "000", "...2.", "3869.714469", printk, "Hello, World! doctor-dbf30d43"},
		{"doctor-8513e18f", "32516", "", "000", "...2.", "3817.453611", printk, "pid=32516, file=/doctor-8513e18f"},
		{"hello", "12237", "", "001", "...2.", "3823.588441", printk, "Hello, World!"},
	},
}

func TestParseRecorded(t *testing.T) {
	for release, want := range recorded {
		text, err := os.ReadFile(filepath.Join("testdata", release))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		if len(lines) != len(want) {
			t.Fatalf("%s: %d lines, want %d", release, len(lines), len(want))
		}
		for i, line := range lines {
			if got, err := parseTraceLine(line); err != nil || got != want[i] {
				t.Errorf("%s: %q: %+v, %v; want %+v", release, line, got, err, want[i])
			}
		}
	}
}

// Lines in forms that were not recorded.
func TestParse(t *testing.T) {
	for line, want := range map[string]traceLine{
		// Before 5.9, an address of the program that resolves to nothing.
		"            curl-18597 [000] dN..   463.471554: : x":                  {"curl", "18597", "", "000", "dN..", "463.471554", "", "x"},
		"            curl-18597 [000] d... 463.471554: 0x00000001: x":          {"curl", "18597", "", "000", "d...", "463.471554", "0x00000001", "x"},
		"a-1 [000] d... 1-42      [003] d..21    10.5: f: m":                   {"a-1 [000] d... 1", "42", "", "003", "d..21", "10.5", "f", "m"},
		"             a b-42      [003] d..21    10.5: f: a-1 [0] d 1.1: g: b": {"a b", "42", "", "003", "d..21", "10.5", "f", "a-1 [0] d 1.1: g: b"},
		"                -42     [128] .....  8123456: f: tsc clock":           {"", "42", "", "128", ".....", "8123456", "f", "tsc clock"},
		"               a-42      [000] .....  1.5: f: ":                       {"a", "42", "", "000", ".....", "1.5", "f", ""},
	} {
		if got, err := parseTraceLine(line); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", line, got, err, want)
		}
	}
	for _, line := range []string{
		"",
		"\n",
		"# tracer: nop",
		"#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION",
		"CPU:1 [LOST 12 EVENTS]",
		"               a-",
		"               a-x       [000] .....  1.5: f: m",
		"               a-42      000 .....  1.5: f: m",
		"               a-42      [000 .....  1.5: f: m",
		"               a-42      (  42 [000] .....  1.5: f: m",
		"               a-42      [000] .....  now: f: m",
		"               a-42      [000] .....",
		"               a-42      [000] .....  1.5: f",
	} {
		if got, err := parseTraceLine(line); err == nil {
			t.Errorf("%q: %+v, want an error", line, got)
		}
	}
}

// Whatever a task or a program may put into a line, what is parsed is in it, in
// that order, and the message is its end.
func FuzzParse(f *testing.F) {
	for release := range recorded {
		text, err := os.ReadFile(filepath.Join("testdata", release))
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			f.Add(strings.TrimSuffix(line, "\n"))
		}
	}
	f.Fuzz(func(t *testing.T, line string) {
		l, err := parseTraceLine(line)
		if err != nil {
			return
		}
		rest := line
		for _, part := range []string{l.Task, l.PID, l.TGID, l.CPU, l.Flags, l.Time, l.Function} {
			_, after, ok := strings.Cut(rest, part)
			if !ok {
				t.Fatalf("%q is not in %q after what came before: %+v", part, line, l)
			}
			rest = after
		}
		if !strings.HasSuffix(rest, ": "+l.Message) {
			t.Fatalf("the message of %q is %q", line, l.Message)
		}
	})
}
