package event

import (
	"math/bits"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The numbers that libc's 64-bit headers give, but for O_LARGEFILE.
func TestFlagNumbers(t *testing.T) {
	want := map[string]uint64{"amd64": 0o100000, "arm64": 0o400000}[runtime.GOARCH]
	if want == 0 {
		t.Fatalf("which number is O_LARGEFILE on %s? See its asm/fcntl.h", runtime.GOARCH)
	}
	if LargeFile != want {
		t.Errorf("O_LARGEFILE is %#o, want %#o", LargeFile, want)
	}
	var all uint64
	for _, f := range OpenFlags {
		if f.Bits == 0 {
			t.Errorf("%s has no bits", f.Name)
		}
		all |= f.Bits
	}
	// VALID_OPEN_FLAGS of include/linux/fcntl.h, less the access mode.
	if n := 17; bits.OnesCount64(all) != n {
		t.Errorf("names for %d bits, want %d", bits.OnesCount64(all), n)
	}
}

func TestAppendFlags(t *testing.T) {
	for _, test := range []struct {
		flags uint64
		want  string
	}{
		{unix.O_RDONLY, "O_RDONLY"},
		{unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL, "O_WRONLY|O_CREAT|O_EXCL"},
		{unix.O_RDWR | unix.O_CLOEXEC, "O_RDWR|O_CLOEXEC"},
		{3, "0x3"},
		{3 | unix.O_APPEND, "0x3|O_APPEND"},
		{unix.O_SYNC, "O_RDONLY|O_SYNC"},
		{unix.O_DSYNC, "O_RDONLY|O_DSYNC"},
		{unix.O_SYNC &^ unix.O_DSYNC, "O_RDONLY|0x100000"},
		{unix.O_RDWR | unix.O_TMPFILE, "O_RDWR|O_TMPFILE"},
		{unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_PATH, "O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_PATH"},
		{TmpFile, "O_RDONLY|0x400000"},
		{unix.O_DIRECT, "O_RDONLY|O_DIRECT"},
		{LargeFile, "O_RDONLY|O_LARGEFILE"},
		{1<<63 | 1<<30, "O_RDONLY|0x8000000040000000"},
	} {
		if got := string(AppendFlags(nil, test.flags)); got != test.want {
			t.Errorf("%#x: %s, want %s", test.flags, got, test.want)
		}
	}
}

// FuzzAppendFlags holds that the parts stand for all bits and none twice.
func FuzzAppendFlags(f *testing.F) {
	f.Add(uint64(0))
	f.Add(uint64(1<<64 - 1))
	f.Add(uint64(unix.O_TMPFILE | unix.O_SYNC))
	values := map[string]uint64{}
	for _, flag := range append(AccessModes, OpenFlags...) {
		values[flag.Name] = flag.Bits
	}
	f.Fuzz(func(t *testing.T, flags uint64) {
		var sum uint64
		for part := range strings.SplitSeq(string(AppendFlags(nil, flags)), "|") {
			value, known := values[part]
			if !known {
				for _, digit := range strings.TrimPrefix(part, "0x") {
					value = value<<4 | uint64(strings.IndexRune("0123456789abcdef", digit))
				}
			}
			if sum&value != 0 {
				t.Errorf("%#x: a bit of %s comes twice", flags, part)
			}
			sum |= value
		}
		if sum != flags {
			t.Errorf("the names of %#x stand for %#x", flags, sum)
		}
	})
}
