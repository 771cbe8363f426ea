package trace

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"opensnoop/bpf"
	"opensnoop/internal/probe"
)

// The C compiler gives enum slot the numbers that are here.
func TestSlotsAreThoseOfC(t *testing.T) {
	header, err := fs.ReadFile(bpf.OwnHeaders(), "include/opensnoop/slots.h")
	if err != nil {
		t.Fatal(err)
	}
	source := string(header)
	for name, want := range map[string]slot{
		"LOST_BUFFER":        slotLostBuffer,
		"LOST_PENDING":       slotLostPending,
		"LOST_NAME":          slotLostName,
		"UNFINISHED_PENDING": slotUnfinishedPending,
		"UNFINISHED_NAME":    slotUnfinishedName,
		"UNFINISHED_FORKED":  slotUnfinishedForked,
		"LOST_FORKED":        slotLostForked,
		"LOST_END":           slotLostEnd,
		"LOST_CPU":           slotLostCPU,
		"DEAD_CPUS":          slotDeadCPUs,
		"LOST_ENTRY":         slotLostEntry,
		"HOOKED":             slotHooked,
		"PENDING_IN":         slotPendingIn,
		"PENDING_RECLAIMED":  slotPendingReclaimed,
		"SELF_TIME":          slotSelfTime,
		"SELF_SEEN":          slotSelfSeen,
		"TOP_MNT":            slotTopMount,
		"TOP_DENTRY":         slotTopDentry,
		"TOP_MOUNTPOINT":     slotTopMountpoint,
		"TOP_ROOT":           slotTopRoot,
		"TOP_NS":             slotTopNS,
		"SELF":               slotSelf,
		"PID":                slotPID,
		"UNFOLLOWED":         slotUnfollowed,
		"FOLLOW_PID":         slotFollowPID,
		"LOOKING":            slotLooking,
		"GATE_SHUT":          slotGateShut,
		"SLOTS":              slotCount,
	} {
		source += fmt.Sprintf("_Static_assert(%s == %d, \"%s\");\n", name, want, name)
	}
	for name, want := range map[string]uint64{
		"HOOKED_OPENAT2": probe.NativeOpenat2, "HOOKED_COMPAT_OPENAT2": probe.CompatOpenat2, "HOOKED_NAMED": probe.CopiedNames,
	} {
		source += fmt.Sprintf("_Static_assert(%s == %d, \"%s\");\n", name, want, name)
	}
	compile(t, source)
}

// Slots in memory and slots in an array are read and written alike.
func TestSlots(t *testing.T) {
	for name, spec := range map[string]ebpf.MapSpec{
		"memory": {Type: ebpf.Array, KeySize: 4, ValueSize: 8 * uint32(slotCount), MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE},
		"array":  {Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: uint32(slotCount)},
	} {
		array, err := ebpf.NewMap(&spec)
		if err != nil {
			t.Skipf("NOT TESTED: the kernel makes no BPF map: %v", err)
		}
		defer array.Close()
		s, err := openSlots(array)
		if err != nil {
			t.Fatal(err)
		}
		for which := range slotCount {
			if err := s.set(which, 1<<40+uint64(which)); err != nil {
				t.Error(err)
			}
		}
		for which := range slotCount {
			if got, err := s.get(which); got != 1<<40+uint64(which) || err != nil {
				t.Errorf("%s: slot %d is %d, %v", name, which, got, err)
			}
		}
		if name == "memory" {
			var whole [slotCount]uint64
			if err := array.Lookup(uint32(0), &whole); err != nil || whole[slotLooking] != 1<<40+uint64(slotLooking) {
				t.Errorf("the program sees %v, %v", whole, err)
			}
		}
		if err := errors.Join(s.close(), s.close()); err != nil {
			t.Error(err)
		}
	}
}

// compile has the C compiler check a source.
func compile(t *testing.T, source string, flags ...string) {
	t.Helper()
	compiler := strings.Fields(cmp.Or(os.Getenv("CC"), "cc"))
	cmd := exec.Command(compiler[0], slices.Concat(compiler[1:], flags, []string{"-std=gnu11", "-fsyntax-only", "-x", "c", "-"})...)
	cmd.Stdin = strings.NewReader(source)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
