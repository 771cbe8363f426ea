package format

import (
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

// The values of an event as text, for all formats.

// appendSeconds appends a time in ns as seconds with nine digits behind the dot.
func appendSeconds(b []byte, ns uint64) []byte {
	b = strconv.AppendUint(b, ns/1e9, 10)
	b = append(b, ".000000000"...)
	fraction := ns % 1e9
	for i := len(b) - 1; fraction > 0; i-- {
		b[i] += byte(fraction % 10)
		fraction /= 10
	}
	return b
}

func appendUint(b []byte, n uint32) []byte { return strconv.AppendUint(b, uint64(n), 10) }

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

func appendAddress(b []byte, address uint64) []byte {
	return strconv.AppendUint(append(b, "0x"...), address, 16)
}

// resultKnown tells whether the call's return was recorded.
func resultKnown(e *event.Event) bool {
	return e.Fields.Has(event.Result) && e.Result != event.ResultUnknown
}

// descriptor is the file descriptor that a result stands for: -1 for an error.
func descriptor(result int32) int64 { return int64(max(result, -1)) }

// errno is the number of the error that a result stands for: 0 for none.
func errno(result int32) int64 { return max(0, -int64(result)) }

// errnoName is the symbol of an error's number, or empty. The numbers from 512 on
// are the kernel's own (include/linux/errno.h): a program never sees them, but a
// probe inside the kernel does, when a signal interrupts an open that waits.
func errnoName(n int64) string {
	switch n {
	case 512:
		return "ERESTARTSYS"
	case 513:
		return "ERESTARTNOINTR"
	case 514:
		return "ERESTARTNOHAND"
	case 515:
		return "ENOIOCTLCMD"
	case 516:
		return "ERESTART_RESTARTBLOCK"
	}
	return unix.ErrnoName(syscall.Errno(n))
}

// appendError appends an error's symbol, its number if it has none, or 0.
func appendError(b []byte, n int64) []byte {
	if name := errnoName(n); n != 0 && name != "" {
		return append(b, name...)
	}
	return strconv.AppendInt(b, n, 10)
}

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
	{"O_LARGEFILE", largeFile},
	{"O_TMPFILE", unix.O_TMPFILE},
	{"O_DIRECTORY", unix.O_DIRECTORY},
	{"O_NOFOLLOW", unix.O_NOFOLLOW},
	{"O_NOATIME", unix.O_NOATIME},
	{"O_CLOEXEC", unix.O_CLOEXEC},
	{"O_PATH", unix.O_PATH},
}

// largeFile is O_LARGEFILE, which libc's 64-bit programs have as 0; 32-bit ones
// pass it. It is the bit after O_DIRECT, on x86 (include/uapi/asm-generic/fcntl.h)
// and on arm64 (arch/arm64/include/uapi/asm/fcntl.h) alike.
const largeFile = unix.O_DIRECT << 1

// tmpFile is the bit that O_TMPFILE has to itself.
const tmpFile = unix.O_TMPFILE &^ unix.O_DIRECTORY

// appendFlags appends flags by name, the access mode first, and in hexadecimal
// what has no name.
func appendFlags(b []byte, flags uint64) []byte {
	if mode := flags & unix.O_ACCMODE; mode < uint64(len(AccessModes)) {
		b = append(b, AccessModes[mode].Name...)
	} else {
		b = appendAddress(b, mode)
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
		b = appendAddress(append(b, '|'), flags)
	}
	return b
}

// modeUsed tells whether open(2) heeds the mode: only where it may make a file.
func modeUsed(e *event.Event) bool { return e.Flags&(unix.O_CREAT|tmpFile) != 0 }

// appendMode appends the bits of a mode that open(2) takes (S_IALLUGO in
// include/linux/stat.h) as four octal digits.
func appendMode(b []byte, mode uint32) []byte {
	for shift := 9; shift >= 0; shift -= 3 {
		b = append(b, '0'+byte(mode>>shift&7))
	}
	return b
}
