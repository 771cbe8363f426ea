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

// appendMode appends the bits of a mode that open(2) takes (S_IALLUGO in
// include/linux/stat.h) as four octal digits.
func appendMode(b []byte, mode uint32) []byte {
	for shift := 9; shift >= 0; shift -= 3 {
		b = append(b, '0'+byte(mode>>shift&7))
	}
	return b
}
