package doctor

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"opensnoop/internal/kernel"
)

func TestCapabilities(t *testing.T) {
	for _, test := range []struct {
		name    string
		set     kernel.Capabilities
		version kernel.Version
		status  Status
		words   []string
	}{
		{"all", allCapabilities, v6_12, OK, nil},
		{"none", 0, v6_12, Fail, []string{"missing: CAP_BPF, CAP_PERFMON", "sudo setcap cap_bpf,cap_perfmon+ep /usr/sbin/opensnoop"}},
		{"none, before 5.8", 0, v5_6, Fail, []string{"missing: CAP_SYS_ADMIN"}},
		{"one", capabilitySet(unix.CAP_BPF), v6_12, Fail, []string{"missing: CAP_PERFMON"}},
		{"two", capabilitySet(unix.CAP_BPF, unix.CAP_PERFMON), v6_12, OK, []string{"CAP_BPF, CAP_PERFMON"}},
		{"two, before 5.8", capabilitySet(unix.CAP_BPF, unix.CAP_PERFMON), v5_6, Fail, []string{"CAP_SYS_ADMIN"}},
	} {
		s := healthy("x", test.version, "do_sys_openat2")
		s.Capabilities = test.set
		want(t, test.name, capabilities(s), test.status, test.words...)
	}
}

func TestBPFCall(t *testing.T) {
	s := healthy("6.12.0", v6_12, "do_sys_openat2")
	want(t, "taken", bpfCall(s), OK)

	s.BPF = errors.New("not supported")
	want(t, "not built in", bpfCall(s), Fail, "not supported", "CONFIG_BPF_SYSCALL")

	s.BPF = fmt.Errorf("load program: %w", unix.EPERM)
	want(t, "refused", bpfCall(s), Fail, "security module")
	files := s.Root.(fstest.MapFS)
	files["proc/self/uid_map"] = &fstest.MapFile{Data: []byte("         0       1000          1\n")}
	files["proc/self/status"] = &fstest.MapFile{Data: []byte("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n")}
	want(t, "in a container", bpfCall(s), Fail, "user namespace", "seccomp")
	files["proc/self/uid_map"] = &fstest.MapFile{Data: []byte("         0          0 4294967295\n")}
	if c := bpfCall(s); strings.Contains(c.Meaning, "user namespace") {
		t.Errorf("the first user namespace is blamed: %+v", c)
	}

	s.Capabilities = 0
	want(t, "without capabilities", bpfCall(s), Warn, "unknown")
}

func TestParanoid(t *testing.T) {
	both := capabilitySet(unix.CAP_BPF, unix.CAP_PERFMON)
	for _, test := range []struct {
		level  string
		set    kernel.Capabilities
		status Status
	}{
		{"-1", both, OK},
		{"2", both, OK},
		{"3", both, Fail},
		{"4", both, Fail},
		{"4", allCapabilities, OK},
		{"4", 0, Warn},
		{"2", 0, OK},
	} {
		s := healthy("6.12.0", v6_12, "do_sys_openat2")
		s.Root.(fstest.MapFS)["proc/sys/kernel/perf_event_paranoid"].Data = []byte(test.level + "\n")
		s.Capabilities = test.set
		want(t, fmt.Sprintf("level %s, capabilities %#x", test.level, uint64(test.set)), paranoid(s), test.status, test.level)
	}
	s := healthy("6.12.0", v6_12, "do_sys_openat2")
	delete(s.Root.(fstest.MapFS), "proc/sys/kernel/perf_event_paranoid")
	want(t, "none", paranoid(s), Fail, "CONFIG_PERF_EVENTS")
}

func TestLockdown(t *testing.T) {
	for text, status := range map[string]Status{
		"[none] integrity confidentiality\n": OK,
		"none [integrity] confidentiality\n": OK,
		"none integrity [confidentiality]\n": Fail,
	} {
		want(t, text, lockdown(root(map[string]string{"sys/kernel/security/lockdown": text})), status)
	}
	want(t, "no file", lockdown(root(nil)), OK, "unknown")
}

func TestJIT(t *testing.T) {
	const file = "proc/sys/net/core/bpf_jit_enable"
	want(t, "on", jit(root(map[string]string{file: "1\n"})), OK, "on")
	want(t, "for debugging", jit(root(map[string]string{file: "2\n"})), OK, "on")
	want(t, "off", jit(root(map[string]string{file: "0\n"})), Warn, "interpreted", "bpf_jit_enable=1")
	want(t, "another network's namespace", jit(root(nil)), OK, "unknown")
}

func TestSettingsThatDoNotMatter(t *testing.T) {
	files := root(map[string]string{
		"proc/sys/kernel/unprivileged_bpf_disabled": "1\n",
		"proc/sys/kernel/kptr_restrict":             "2\n",
	})
	want(t, "set", unprivileged(files), OK, "1;")
	want(t, "set", pointers(files), OK, "2;")
	want(t, "absent", unprivileged(root(nil)), OK, "not in this kernel")
	want(t, "absent", pointers(root(nil)), OK, "not in this kernel")
}

func TestLockedMemory(t *testing.T) {
	s := healthy("6.12.0", v6_12, "do_sys_openat2")
	s.Capabilities = capabilitySet(unix.CAP_BPF, unix.CAP_PERFMON)
	want(t, "8 MiB", lockedMemory(s), OK, "8192 KiB")
	s.LockLimit = math.MaxUint64
	want(t, "unlimited", lockedMemory(s), OK, "unlimited")
	// 2 CPUs with 257 pages each are 2056 KiB, of which 1032 are free.
	s.LockLimit = 1024 << 10
	want(t, "just enough", lockedMemory(s), OK, "2056 KiB")
	s.LockLimit--
	want(t, "a byte less", lockedMemory(s), Warn, "smaller")
	s.Capabilities = allCapabilities
	want(t, "CAP_IPC_LOCK", lockedMemory(s), OK)
}

func TestPIDNamespace(t *testing.T) {
	s := healthy("x", v6_12, "do_sys_openat2")
	want(t, "first", pidNamespace(s.Root, v5_6), OK, "no container")
	s.Root.(fstest.MapFS)["proc/self/ns/pid"].Data = []byte("pid:[4026532567]")
	want(t, "other", pidNamespace(s.Root, v6_12), OK, "container")
	want(t, "other, before 5.7", pidNamespace(s.Root, v5_6), Fail, "5.7")
	want(t, "no /proc", pidNamespace(root(nil), v6_12), Warn, "unknown")
}
