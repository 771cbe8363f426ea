package trace

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"opensnoop/bpf"
	"opensnoop/internal/probe"
)

// The C compiler gives enum slot the numbers that are here.
func TestSlotsAreThoseOfC(t *testing.T) {
	header, err := fs.ReadFile(bpf.Headers(), "include/opensnoop/slots.h")
	if err != nil {
		t.Fatal(err)
	}
	source := string(header)
	for name, want := range map[string]slot{
		"LOST_BUFFER":       slotLostBuffer,
		"LOST_PENDING":      slotLostPending,
		"LOST_CPU":          slotLostCPU,
		"DEAD_CPUS":         slotDeadCPUs,
		"LOST_ENTRY":        slotLostEntry,
		"HOOKED":            slotHooked,
		"PENDING_IN":        slotPendingIn,
		"PENDING_RECLAIMED": slotPendingReclaimed,
		"SELF_TIME":         slotSelfTime,
		"SELF_SEEN":         slotSelfSeen,
		"TOP_MNT":           slotTopMount,
		"TOP_DENTRY":        slotTopDentry,
		"TOP_MOUNTPOINT":    slotTopMountpoint,
		"TOP_ROOT":          slotTopRoot,
		"TOP_NS":            slotTopNS,
		"SELF":              slotSelf,
		"PID":               slotPID,
		"UNFOLLOWED":        slotUnfollowed,
		"ROOT":              slotRoot,
		"LOOKING":           slotLooking,
		"SLOTS":             slotCount,
	} {
		source += fmt.Sprintf("_Static_assert(%s == %d, \"%s\");\n", name, want, name)
	}
	for name, want := range map[string]uint64{
		"HOOKED_OPENAT2": probe.NativeOpenat2, "HOOKED_COMPAT_OPENAT2": probe.CompatOpenat2,
	} {
		source += fmt.Sprintf("_Static_assert(%s == %d, \"%s\");\n", name, want, name)
	}
	compile(t, source)
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
