package kernel

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func set(capabilities ...int) (s Capabilities) {
	for _, c := range capabilities {
		s |= 1 << c
	}
	return s
}

func TestMissing(t *testing.T) {
	v5_7, v5_8 := NewVersion(5, 7, 0), NewVersion(5, 8, 0)
	for _, test := range []struct {
		name    string
		set     Capabilities
		version Version
		want    []string
	}{
		{"nothing, before the split", 0, v5_7, []string{"CAP_SYS_ADMIN"}},
		{"nothing, after it", 0, v5_8, []string{"CAP_BPF", "CAP_PERFMON"}},
		{"one of the two", set(unix.CAP_BPF), v5_8, []string{"CAP_PERFMON"}},
		{"the other", set(unix.CAP_PERFMON), v5_8, []string{"CAP_BPF"}},
		{"both", set(unix.CAP_BPF, unix.CAP_PERFMON), v5_8, nil},
		{"both, before the kernel knew them", set(unix.CAP_BPF, unix.CAP_PERFMON), v5_7, []string{"CAP_SYS_ADMIN"}},
		{"the old one", set(unix.CAP_SYS_ADMIN), v5_7, nil},
		{"the old one, after the split", set(unix.CAP_SYS_ADMIN), v5_8, nil},
		{"others", set(unix.CAP_NET_ADMIN, unix.CAP_SYS_PTRACE), v5_8, []string{"CAP_BPF", "CAP_PERFMON"}},
		{"all", ^Capabilities(0), v5_8, nil},
	} {
		if got := test.set.Missing(test.version); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestEffectiveCapabilities(t *testing.T) {
	s, err := EffectiveCapabilities()
	if err != nil {
		t.Fatal(err)
	}
	if root := unix.Geteuid() == 0; root != s.Has(unix.CAP_SYS_ADMIN) {
		t.Errorf("root is %v, capabilities are %#x", root, uint64(s))
	}
}
