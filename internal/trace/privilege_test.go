package trace

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMissingCapabilities(t *testing.T) {
	const (
		bpf      = 1 << unix.CAP_BPF
		perfmon  = 1 << unix.CAP_PERFMON
		sysAdmin = 1 << unix.CAP_SYS_ADMIN
		others   = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_SYS_RESOURCE
		all      = 1<<(unix.CAP_LAST_CAP+1) - 1

		v5_7  = 5<<16 | 7<<8 | 255
		v5_8  = 5<<16 | 8<<8
		v6_12 = 6<<16 | 12<<8
	)
	for _, test := range []struct {
		name      string
		effective uint64
		version   uint32
		want      []string
	}{
		{"root", all, v6_12, nil},
		{"root before 5.8", all, v5_7, nil},
		{"nothing", 0, v6_12, []string{"CAP_BPF", "CAP_PERFMON"}},
		{"nothing before 5.8", 0, v5_7, []string{"CAP_SYS_ADMIN"}},
		{"all others", others, v5_8, []string{"CAP_BPF", "CAP_PERFMON"}},
		{"both", bpf | perfmon, v5_8, nil},
		{"both before 5.8", bpf | perfmon, v5_7, []string{"CAP_SYS_ADMIN"}},
		{"only CAP_BPF", bpf | others, v6_12, []string{"CAP_PERFMON"}},
		{"only CAP_PERFMON", perfmon | others, v6_12, []string{"CAP_BPF"}},
		{"CAP_SYS_ADMIN stands for both", sysAdmin, v6_12, nil},
		{"CAP_SYS_ADMIN before 5.8", sysAdmin, v5_7, nil},
	} {
		if got := missingCapabilities(test.effective, test.version); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
