package kernel

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The kernel tells the same addresses as in its table, and none if it lacks one.
func TestAddress(t *testing.T) {
	if err := RefusesBPF(); err != nil {
		t.Skipf("*** DID NOT RUN: BPF is not permitted here: %v", err)
	}
	if version, err := CurrentVersion(); err != nil || version < NewVersion(6, 2, 0) {
		t.Skipf("*** DID NOT RUN: before Linux 6.2 it is slow (%v)", err)
	}
	if addresses := Addresses("vfs_open", "no_such_thing"); addresses != nil {
		t.Errorf("what there is not is at %#x", addresses)
	}
	symbols, err := os.Open("/proc/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	defer symbols.Close()
	for lines := bufio.NewScanner(symbols); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || fields[2] != "vfs_open" {
			continue
		}
		want, err := strconv.ParseUint(fields[0], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := Addresses("vfs_read", "vfs_open"); len(got) != 2 || got[1] != want || got[0] == want {
			t.Errorf("vfs_read and vfs_open are at %#x, and in the table the latter is at %#x", got, want)
		}
		return
	}
	t.Error("the table has no vfs_open")
}
