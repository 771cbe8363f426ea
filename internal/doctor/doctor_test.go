package doctor

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"opensnoop/internal/bcc"
	"opensnoop/internal/kernel"
)

// Version codes.
const (
	v4_1  = kernel.Version(4<<16 | 1<<8)
	v4_15 = kernel.Version(4<<16 | 15<<8)
	v4_17 = kernel.Version(4<<16 | 17<<8)
	v5_6  = kernel.Version(5<<16 | 6<<8)
	v5_10 = kernel.Version(5<<16 | 10<<8)
	v6_12 = kernel.Version(6<<16 | 12<<8)
)

const allCapabilities = ^kernel.Capabilities(0)

func capabilitySet(capabilities ...int) (s kernel.Capabilities) {
	for _, c := range capabilities {
		s |= 1 << c
	}
	return s
}

// root is a file system of files with a text.
func root(files map[string]string) fstest.MapFS {
	m := make(fstest.MapFS)
	for path, text := range files {
		m[path] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

// healthy is a machine on which nothing is amiss, of that kernel.
func healthy(release string, version kernel.Version, symbol string) *System {
	files := root(map[string]string{
		"sys/bus/event_source/devices/kprobe/type": "8\n",
		"proc/kallsyms":                             "ffffffff81000000 t " + symbol + "\nffffffff81000100 T do_filp_open\n",
		"proc/sys/kernel/perf_event_paranoid":       "2\n",
		"proc/sys/kernel/kptr_restrict":             "1\n",
		"proc/sys/kernel/unprivileged_bpf_disabled": "2\n",
		"proc/sys/kernel/perf_event_mlock_kb":       "516\n",
		"proc/self/mountinfo":                       "24 23 0:12 / /sys/kernel/tracing rw,nosuid shared:5 - tracefs tracefs rw\n",
		"sys/kernel/security/lockdown":              "[none] integrity confidentiality\n",
		"boot/config-" + release:                    fullConfig,
	})
	files["proc/self/ns/pid"] = &fstest.MapFile{Data: []byte("pid:[4026531836]"), Mode: fs.ModeSymlink}
	return &System{
		Root: files, Release: release, Version: version, Capabilities: allCapabilities,
		CPUs: 2, PageSize: 4096, LockLimit: 8 << 20, Program: "/usr/sbin/opensnoop",
		Compiler: Compiler{
			Libraries: []string{"/usr/lib/libbcc.so.0.26.0", "/usr/lib/libLLVM-14.so.1"},
			CachePath: "/var/cache/opensnoop",
			Lookup:    &bcc.Result{Cached: true},
		},
	}
}

const fullConfig = `# Automatically generated
CONFIG_BPF=y
CONFIG_BPF_SYSCALL=y
CONFIG_BPF_EVENTS=y
CONFIG_BPF_JIT=y
CONFIG_HAVE_EBPF_JIT=y
CONFIG_KPROBES=y
CONFIG_KPROBE_EVENTS=y
CONFIG_NET_CLS_BPF=m
CONFIG_NET_ACT_BPF=m
CONFIG_IKHEADERS=m
CONFIG_FTRACE_SYSCALLS=y
CONFIG_DEBUG_INFO_BTF=y
`

// want compares a check's status, and looks for words in all that it says.
func want(t *testing.T, name string, c Check, status Status, words ...string) {
	t.Helper()
	if c.Status != status {
		t.Errorf("%s: %s is %s, want %s: %+v", name, c.Name, c.Status, status, c)
	}
	if (c.Meaning == "" || c.Remedy == "") != (status == OK) {
		t.Errorf("%s: %s is %s with meaning %q, remedy %q", name, c.Name, c.Status, c.Meaning, c.Remedy)
	}
	for _, word := range words {
		if all := c.Found + "\n" + c.Meaning + "\n" + c.Remedy; !strings.Contains(all, word) {
			t.Errorf("%s: %s does not say %q: %+v", name, c.Name, word, c)
		}
	}
}

func TestHealthyKernels(t *testing.T) {
	for _, test := range []struct {
		release  string
		version  kernel.Version
		symbol   string
		canTrace bool
	}{
		{"4.1.0", v4_1, "do_sys_open", false},
		{"4.15.0-20-generic", v4_15, "do_sys_open", false},
		{"4.17.0", v4_17, "do_sys_open", true},
		{"5.6.0", v5_6, "do_sys_openat2", true},
		{"5.6.0", v5_6, "do_sys_openat2.constprop.0", true},
		{"6.12.0-amd64", v6_12, "do_sys_openat2", true},
	} {
		checks := Examine(healthy(test.release, test.version, test.symbol))
		if got := CanTrace(checks); got != test.canTrace {
			t.Errorf("%s: can trace is %v: %+v", test.release, got, checks)
		}
		for _, c := range checks {
			status := OK
			switch {
			case !test.canTrace && (c.Name == "kernel" || c.Name == "probe"):
				status = Fail
			case test.version == v5_6 && c.Name == "io_uring":
				status = Warn
			}
			want(t, test.release, c, status)
		}
	}
}

func TestKernel(t *testing.T) {
	want(t, "4.1", kernelVersion("4.1.0", v4_1), Fail, "4.1.0", "4.17")
	want(t, "4.15", kernelVersion("4.15.0", v4_15), Fail, "4.15.0", "4.17")
	want(t, "4.17", kernelVersion("4.17.0", v4_17), OK, "do_sys_open,", "5.6")
	want(t, "5.6", kernelVersion("5.6.0", v5_6), OK, "do_sys_openat2")
	want(t, "6.12", kernelVersion("6.12.0", v6_12), OK, "do_sys_openat2")
}

func TestProbe(t *testing.T) {
	s := healthy("6.12.0", v6_12, "do_sys_openat2")
	want(t, "fentry", probeToUse(s, symbolToHook(s)), OK, "the fentry probe will be used")
	s.Fentry = errors.New("this kernel can be preempted")
	want(t, "session", probeToUse(s, symbolToHook(s)), OK, "the session probe for results; else the kprobe probe will be used; not fentry: ")
	s.Session = errors.New("this kernel is older")
	want(t, "kprobes", probeToUse(s, symbolToHook(s)), OK, "the kprobe probe will be used; not fentry: this kernel can be preempted")
	want(t, "kprobes", kprobes(s.Root), OK)

	delete(s.Root.(fstest.MapFS), "sys/bus/event_source/devices/kprobe/type")
	want(t, "no kprobes", kprobes(s.Root), Warn, "no kprobes", "tracepoint")
	want(t, "no kprobes", probeToUse(s, symbolToHook(s)), OK, "tracepoint probe will be used")

	s = healthy("6.12.0", v6_12, "another_function")
	want(t, "no symbol", symbolToHook(s), Warn, "no function do_sys_openat2", "tracepoint")
	want(t, "no symbol", probeToUse(s, symbolToHook(s)), OK, "tracepoint probe will be used")

	s = healthy("6.12.0", v6_12, "do_sys_openat2.isra.0")
	want(t, "renamed", symbolToHook(s), OK, "do_sys_openat2.isra.0", "do_filp_open")

	delete(s.Root.(fstest.MapFS), "proc/kallsyms")
	want(t, "no table", symbolToHook(s), Warn, "unknown")
}

func TestIOUring(t *testing.T) {
	want(t, "4.15", ioUring(v4_15), OK, "5.6")
	want(t, "5.6", ioUring(v5_6), Warn, "do not show")
	want(t, "5.10", ioUring(v5_10), Warn, "do not show")
	want(t, "6.12", ioUring(v6_12), OK)
}

func TestKprobesFire(t *testing.T) {
	want(t, "on", kprobesFire(root(map[string]string{"proc/sys/kernel/ftrace_enabled": "1\n"})), OK)
	want(t, "unknown", kprobesFire(root(nil)), OK)
	want(t, "off", kprobesFire(root(map[string]string{"proc/sys/kernel/ftrace_enabled": "0\n"})), Warn, "ftrace_enabled")
	want(t, "off by debugfs", kprobesFire(root(map[string]string{"sys/kernel/debug/kprobes/enabled": "0\n"})), Warn, "kprobes/enabled")
}

func TestTracefs(t *testing.T) {
	const debugfs = "23 22 0:7 / /sys/kernel/debug rw - debugfs debugfs rw\n"
	mount := "24 23 0:12 / /sys/kernel/tracing rw,nosuid shared:5 - tracefs tracefs rw\n"
	want(t, "mounted", tracefs(root(map[string]string{"proc/self/mountinfo": debugfs + mount})), OK, "mounted on /sys/kernel/tracing")
	want(t, "not mounted", tracefs(root(map[string]string{"proc/self/mountinfo": debugfs})), OK, "not mounted")
	want(t, "no /proc", tracefs(root(nil)), OK, "unknown")
}

func TestLibraries(t *testing.T) {
	const folder = "/usr/lib/x86_64-linux-gnu/"
	for _, test := range []struct {
		files  []string
		status Status
		found  string
	}{
		{[]string{"libbcc.so.0.26.0", "libc.so.6", "libLLVM-14.so.1"}, OK, "libbcc 0.26.0, LLVM 14"},
		{[]string{"libbcc.so.0.31.0", "libLLVM.so.18.1"}, OK, "libbcc 0.31.0, LLVM 18.1"},
		{[]string{"libbcc.so.0.26.0", "libclang-cpp.so.14"}, OK, "LLVM of unknown version, built in"},
		{[]string{"libbcc.so.0.26.0", "libLLVM-14.so.1", "libLLVM-9.so.1"}, Warn, "LLVM 14 and 9"},
	} {
		var compiler Compiler
		for _, file := range test.files {
			compiler.Libraries = append(compiler.Libraries, folder+file)
		}
		want(t, strings.Join(test.files, ","), libraries(compiler), test.status, test.found)
	}
	want(t, "absent", libraries(Compiler{Err: fmt.Errorf("wrapped: %w", bcc.ErrNoLibrary)}), Warn, "not installed", "libbpfcc")
	want(t, "killed", libraries(Compiler{Err: errors.New("it was ended by the signal 9")}), Warn, "the signal 9")
}

func TestCompileCache(t *testing.T) {
	for _, test := range []struct {
		name     string
		compiler Compiler
		found    string
	}{
		{"no rights", Compiler{CachePath: "/c"}, "/c: not looked at"},
		{"hit", Compiler{CachePath: "/c", Lookup: &bcc.Result{Cached: true}}, "/c: hit"},
		{"miss", Compiler{CachePath: "/c", Lookup: &bcc.Result{}}, "/c: miss"},
		{"stale", Compiler{CachePath: "/c", Lookup: &bcc.Result{Cached: true, Stale: true, Why: "/l has changed"}}, "/c: miss for the default columns: /l has changed"},
		{"stale, and no libbcc", Compiler{CachePath: "/c", Err: bcc.ErrNoLibrary, Lookup: &bcc.Result{Cached: true, Stale: true, Why: "/l has changed"}}, "/c: hit for the default columns, although /l has changed"},
		{"none", Compiler{Lookup: &bcc.Result{Why: "not used"}}, "none: miss for the default columns: not used"},
	} {
		want(t, test.name, compileCache(test.compiler), OK, test.found)
	}
}

func TestHeaders(t *testing.T) {
	want(t, "none", headers(root(nil), "6.12.0"), OK, "none", "does not need")
	want(t, "some", headers(root(map[string]string{"lib/modules/6.12.0/build/Makefile": ""}), "6.12.0"), OK, "/lib/modules/6.12.0/build", "does not need")
	want(t, "another kernel's", headers(root(map[string]string{"lib/modules/6.1.0/build/Makefile": ""}), "6.12.0"), OK, "none")
	want(t, "in /sys", headers(root(map[string]string{"sys/kernel/kheaders.tar.xz": ""}), "6.12.0"), OK, "kheaders")
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

func TestConfiguration(t *testing.T) {
	checkOf := func(t *testing.T, files map[string]string, name string) Check {
		t.Helper()
		for _, c := range configuration(root(files), "6.12.0") {
			if c.Name == name {
				return c
			}
		}
		t.Fatalf("no check of %s", name)
		panic("not reached")
	}
	full := map[string]string{"boot/config-6.12.0": fullConfig}
	without := func(option, instead string) map[string]string {
		return map[string]string{"boot/config-6.12.0": strings.ReplaceAll(fullConfig, option+"=y\n", instead)}
	}
	for option, status := range map[string]Status{
		"CONFIG_BPF":             Fail,
		"CONFIG_BPF_SYSCALL":     Fail,
		"CONFIG_BPF_EVENTS":      Fail,
		"CONFIG_BPF_JIT":         Warn,
		"CONFIG_HAVE_EBPF_JIT":   Warn,
		"CONFIG_KPROBES":         Warn,
		"CONFIG_KPROBE_EVENTS":   Warn,
		"CONFIG_FTRACE_SYSCALLS": OK,
		"CONFIG_DEBUG_INFO_BTF":  Warn,
	} {
		want(t, "set", checkOf(t, full, option), OK, "y")
		want(t, "unset", checkOf(t, without(option, "# "+option+" is not set\n"), option), status, "not set")
		want(t, "absent", checkOf(t, without(option, ""), option), status, "absent")
		want(t, "m", checkOf(t, without(option, option+"=m\n"), option), OK, "m")
	}
	for _, option := range []string{"CONFIG_NET_CLS_BPF", "CONFIG_NET_ACT_BPF", "CONFIG_IKHEADERS"} {
		want(t, "m", checkOf(t, full, option), OK, "m")
		want(t, "absent", checkOf(t, map[string]string{"boot/config-6.12.0": "CONFIG_BPF=y\n"}, option), OK, "absent; not needed")
	}

	both := map[string]string{"proc/config.gz": zipped(fullConfig), "boot/config-6.12.0": "CONFIG_BPF=y\n"}
	want(t, "the kernel's own first", checkOf(t, both, "CONFIG_KPROBES"), OK, "y")

	for name, files := range map[string]map[string]string{
		"no file":               nil,
		"another kernel's file": {"boot/config-6.1.0": fullConfig},
		"a broken file":         {"proc/config.gz": "not gzip"},
		"a file cut off":        {"proc/config.gz": zipped(fullConfig)[:40]},
	} {
		checks := configuration(root(files), "6.12.0")
		if len(checks) != 1 {
			t.Fatalf("%s: %+v", name, checks)
		}
		want(t, name, checks[0], Warn, "unknown", "CONFIG_BPF_SYSCALL", "CONFIG_DEBUG_INFO_BTF")
	}
}

func TestExplain(t *testing.T) {
	s := healthy("6.12.0", v6_12, "do_sys_openat2")
	files := s.Root.(fstest.MapFS)
	files["sys/kernel/security/lockdown"].Data = []byte("none integrity [confidentiality]\n")
	s.Compiler.Libraries = []string{"/a/libLLVM-14.so.1", "/b/libLLVM-15.so.1"}
	s.Capabilities = capabilitySet(unix.CAP_BPF)
	checks := Examine(s)
	for _, test := range []struct {
		message string
		names   []string
	}{
		{"loading failed", []string{"capabilities: ", "lockdown: "}},
		{"missing the capabilities to trace: CAP_PERFMON", []string{"lockdown: "}},
		{"compiling the BPF program with libbcc failed", []string{"capabilities: ", "lockdown: ", "libbcc and LLVM: "}},
	} {
		lines := explain(test.message, checks)
		if len(lines) != len(test.names) {
			t.Fatalf("%q: %q", test.message, lines)
		}
		for i, name := range test.names {
			if !strings.HasPrefix(lines[i], name) || strings.Contains(lines[i], "\n") {
				t.Errorf("%q: line %d is %q, want %q", test.message, i, lines[i], name)
			}
		}
	}
	if lines := explain("anything", Examine(healthy("6.12.0", v6_12, "do_sys_openat2"))); lines != nil {
		t.Errorf("on a healthy machine: %q", lines)
	}
}
