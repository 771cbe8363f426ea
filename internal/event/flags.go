package event

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// OpenFlag is a flag of open(2), or several bits that go by one name.
type OpenFlag struct {
	Name string
	Bits uint64
}

// AccessModes are the names of the values that the two bits O_ACCMODE may have. A
// fourth value, 3, has none; Linux takes it for ioctl(2) alone.
var AccessModes = []OpenFlag{
	{"O_RDONLY", unix.O_RDONLY},
	{"O_WRONLY", unix.O_WRONLY},
	{"O_RDWR", unix.O_RDWR},
}

// OpenFlags are the flags beside the access mode. One that has the bits of
// another among its own comes before it.
var OpenFlags = []OpenFlag{
	{"O_CREAT", unix.O_CREAT},
	{"O_EXCL", unix.O_EXCL},
	{"O_NOCTTY", unix.O_NOCTTY},
	{"O_TRUNC", unix.O_TRUNC},
	{"O_APPEND", unix.O_APPEND},
	{"O_NONBLOCK", unix.O_NONBLOCK},
	{"O_SYNC", unix.O_SYNC},
	{"O_DSYNC", unix.O_DSYNC},
	{"O_ASYNC", unix.O_ASYNC},
	{"O_DIRECT", unix.O_DIRECT},
	{"O_LARGEFILE", LargeFile},
	{"O_TMPFILE", unix.O_TMPFILE},
	{"O_DIRECTORY", unix.O_DIRECTORY},
	{"O_NOFOLLOW", unix.O_NOFOLLOW},
	{"O_NOATIME", unix.O_NOATIME},
	{"O_CLOEXEC", unix.O_CLOEXEC},
	{"O_PATH", unix.O_PATH},
}

// LargeFile is O_LARGEFILE, which libc's 64-bit programs have as 0; 32-bit ones
// pass it. It is the bit after O_DIRECT, on x86 (include/uapi/asm-generic/fcntl.h)
// and on arm64 (arch/arm64/include/uapi/asm/fcntl.h) alike.
const LargeFile = unix.O_DIRECT << 1

// TmpFile is the bit that O_TMPFILE has to itself.
const TmpFile = unix.O_TMPFILE &^ unix.O_DIRECTORY

// AppendFlags appends flags of open(2) by name with | between them, the access mode
// first, and in hexadecimal what has no name.
func AppendFlags(b []byte, flags uint64) []byte {
	if mode := flags & unix.O_ACCMODE; mode < uint64(len(AccessModes)) {
		b = append(b, AccessModes[mode].Name...)
	} else {
		b = appendHex(b, mode)
	}
	flags &^= unix.O_ACCMODE
	for i := range OpenFlags {
		if f := &OpenFlags[i]; flags&f.Bits == f.Bits {
			b = append(b, '|')
			b = append(b, f.Name...)
			flags &^= f.Bits
		}
	}
	if flags != 0 {
		b = appendHex(append(b, '|'), flags)
	}
	return b
}

func appendHex(b []byte, n uint64) []byte {
	return strconv.AppendUint(append(b, "0x"...), n, 16)
}

// UsesMode reports whether open(2) uses the mode with these flags: only where it
// may make a file.
func UsesMode(flags uint64) bool { return flags&(unix.O_CREAT|TmpFile) != 0 }
