package format

import (
	"bytes"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

// The values of an event as text, for all formats.

// exactMax is the largest number up to which programs that have 64-bit floating point alone, as jq,
// read each as it is.
const exactMax = 1 << 53

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

func appendSinceFirst(r *rows, b []byte, e *event.Event) []byte {
	return appendSeconds(b, e.Time-r.first)
}

// timeLayout is time.RFC3339Nano without its leaving out zeros.
const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

// second is a second of the time of day as text, with zeros behind the dot.
type second struct {
	of   int64
	in   *time.Location
	text []byte
	dot  int
}

// appendTime appends the time of day by timeLayout. Rows of one second differ behind the dot alone.
func appendTime(r *rows, b []byte, e *event.Event) []byte {
	t := r.at(e)
	if s := &r.second; s.text == nil || s.of != t.Unix() || s.in != t.Location() {
		s.of, s.in = t.Unix(), t.Location()
		s.text = t.Truncate(time.Second).AppendFormat(s.text[:0], timeLayout)
		s.dot = bytes.IndexByte(s.text, '.')
	}
	fraction := len(b) + r.second.dot + 1
	b = append(b, r.second.text...)
	for i, n := fraction+8, t.Nanosecond(); i >= fraction; i, n = i-1, n/10 {
		b[i] = '0' + byte(n%10)
	}
	return b
}

// at is the time of day of an event.
func (r *rows) at(e *event.Event) time.Time { return r.boot().Add(time.Duration(e.Time)) }

// escaped is a text for a table.
func escaped(text func(e *event.Event) []byte) value {
	return func(_ *rows, b []byte, e *event.Event) []byte { return AppendEscaped(b, text(e)) }
}

// textFields are the fields of a text that every event has whose fields the column needs.
func textFields(name string, text func(e *event.Event) []byte) []field {
	return []field{
		{name: name, value: func(_ *rows, b []byte, e *event.Event) []byte { return append(b, text(e)...) }},
		exact(name, text),
	}
}

func commOfThread(e *event.Event) []byte  { return e.Comm }
func commOfProcess(e *event.Event) []byte { return e.Process }
func commOfParent(e *event.Event) []byte  { return e.PComm }

func appendPID(_ *rows, b []byte, e *event.Event) []byte { return appendUint(b, e.TGID) }
func appendTID(_ *rows, b []byte, e *event.Event) []byte { return appendUint(b, e.TID) }

// appendUser appends the user's name, or the number of one without.
func appendUser(r *rows, b []byte, e *event.Event) []byte { return r.appendName(b, e.UID, e.User) }

// appendName appends the name of a user, which is recorded if it is not nil.
func (r *rows) appendName(b []byte, uid uint32, recorded []byte) []byte {
	if recorded != nil {
		return append(b, recorded...)
	}
	if name := r.users.Name(uid); name != "" {
		return append(b, name...)
	}
	return appendUint(b, uid)
}

// loggedIn reports whether it is known who logged in.
func loggedIn(e *event.Event) bool { return e.Fields.Has(event.Login) && e.Login != event.NoLogin }

func appendLogin(r *rows, b []byte, e *event.Event) []byte {
	return r.appendName(b, e.Login, e.Logged)
}

func appendLoginUID(_ *rows, b []byte, e *event.Event) []byte {
	if !loggedIn(e) {
		return b
	}
	return appendUint(b, e.Login)
}

func appendLoginUIDOrNull(r *rows, b []byte, e *event.Event) []byte {
	if !loggedIn(e) {
		return append(b, "null"...)
	}
	return appendLoginUID(r, b, e)
}

// resultKnown reports whether the call's return was recorded.
func resultKnown(e *event.Event) bool {
	return e.Fields.Has(event.Result) && e.Result != event.ResultUnknown
}

// failed reports whether the call is known to have failed.
func failed(e *event.Event) bool { return resultKnown(e) && e.Result < 0 }

// fixed reports whether a call gave a place in an io_uring's own table of files, which is
// no descriptor.
func fixed(e *event.Event) bool { return resultKnown(e) && e.Fixed && e.Result >= 0 }

// appendDescriptor appends the file descriptor that a result stands for: -1 for an
// error.
func appendDescriptor(_ *rows, b []byte, e *event.Event) []byte {
	return appendInt(b, int64(max(e.Result, -1)))
}

// appendDescriptorText appends the same for a reader, with a mark for one that is fixed.
func appendDescriptorText(r *rows, b []byte, e *event.Event) []byte {
	switch {
	case fixed(e):
		b = append(b, "fixed:"...)
	case e.Exec && e.Result >= 0, e.Lookup != event.NoLookup:
		return append(b, '-')
	}
	return appendDescriptor(r, b, e)
}

// tookKnown reports whether it is known how long a call took, or at least took until now.
func tookKnown(e *event.Event) bool { return e.Fields.Has(event.Took) && e.Took != 0 }

func blocks(e *event.Event) bool { return tookKnown(e) && e.Blocks }

func appendTook(_ *rows, b []byte, e *event.Event) []byte {
	return strconv.AppendUint(b, e.Took, 10)
}

func appendTookText(_ *rows, b []byte, e *event.Event) []byte {
	if e.Blocks {
		b = append(b, '>')
	}
	return AppendMilliseconds(b, e.Took)
}

// AppendMilliseconds appends a time in ns as ms with three decimals.
func AppendMilliseconds(b []byte, ns uint64) []byte {
	µs := ns/1000 + ns%1000/500
	b = append(strconv.AppendUint(b, µs/1000, 10), '.')
	return append(b, '0'+byte(µs/100%10), '0'+byte(µs/10%10), '0'+byte(µs%10))
}

// errno is the number of the error that a result stands for: 0 for none.
func errno(result int32) int64 { return max(0, -int64(result)) }

func appendErrno(_ *rows, b []byte, e *event.Event) []byte { return appendInt(b, errno(e.Result)) }

// errnoName is the symbol of an error's number, or empty.
func errnoName(n int64) string { return unix.ErrnoName(syscall.Errno(n)) }

// appendError appends an error's symbol, its number if it has none, or 0.
func appendError(_ *rows, b []byte, e *event.Event) []byte {
	n := errno(e.Result)
	if name := errnoName(n); n != 0 && name != "" {
		return append(b, name...)
	}
	return appendInt(b, n)
}

func appendFlags(_ *rows, b []byte, e *event.Event) []byte {
	if e.Exec || e.Lookup != event.NoLookup {
		return append(b, e.Op()...)
	}
	return event.AppendFlags(b, e.Flags)
}

// isExec reports whether a file was opened to execute a program.
func isExec(e *event.Event) bool { return e.Exec }

// flagsPassed reports whether it is known which flags a program passed.
func flagsPassed(e *event.Event) bool {
	return e.Fields.Has(event.Flags) && !e.Exec && e.Lookup == event.NoLookup
}

func appendOp(_ *rows, b []byte, e *event.Event) []byte { return append(b, e.Op()...) }

// indentation is what a step down the tree of processes moves a comm to the right.
const indentation = "  "

// depthMax is the most steps that are shown so.
const depthMax = 20

// indented is a comm, moved to the right by how far its process is below the one followed.
func indented(r *rows, b []byte, e *event.Event) []byte {
	for range min(e.Depth, depthMax) {
		b = append(b, indentation...)
	}
	return AppendEscaped(b, e.Comm)
}

// argsKnown reports whether the arguments of a process's program are known.
func argsKnown(e *event.Event) bool { return e.Fields.Has(event.Args) && e.ArgsSize > 0 }

// argsCut reports whether there are more of them.
func argsCut(e *event.Event) bool { return argsKnown(e) && e.ArgsSize > uint32(len(e.Args)) }

func argsOf(e *event.Event) []byte { return bytes.TrimRight(e.Args, "\x00") }

// appendArgs appends the arguments, a blank between them.
func appendArgs(_ *rows, b []byte, e *event.Event) []byte {
	start := len(b)
	b = append(b, argsOf(e)...)
	for i := start; i < len(b); i++ {
		if b[i] == 0 {
			b[i] = ' '
		}
	}
	return b
}

func appendArgsText(r *rows, b []byte, e *event.Event) []byte {
	b = AppendEscaped(b, appendArgs(r, r.scratch[:0], e))
	if argsCut(e) {
		b = append(b, "…"...)
	}
	return b
}

// appendArgsList appends them as an array of JSON.
func appendArgsList(_ *rows, b []byte, e *event.Event) []byte {
	b = append(b, '[')
	for rest, more := argsOf(e), true; more; {
		var arg []byte
		arg, rest, more = bytes.Cut(rest, []byte{0})
		b = AppendJSON(b, arg)
		if more {
			b = append(b, ',')
		}
	}
	return append(b, ']')
}

func appendTrue(_ *rows, b []byte, _ *event.Event) []byte { return append(b, "true"...) }

// appendMode appends the bits of a mode that open(2) takes (S_IALLUGO in
// include/linux/stat.h) as four octal digits.
func appendMode(_ *rows, b []byte, e *event.Event) []byte {
	for shift := 9; shift >= 0; shift -= 3 {
		b = append(b, '0'+byte(e.Mode>>shift&7))
	}
	return b
}

// nameKind returns what reports whether an event's name came about so.
func nameKind(kind event.NameKind) func(e *event.Event) bool {
	return func(e *event.Event) bool { return e.NameKind == kind }
}

func nameOf(e *event.Event) []byte { return e.Name }

func appendName(_ *rows, b []byte, e *event.Event) []byte { return append(b, e.Name...) }

func appendNameProblem(_ *rows, b []byte, _ *event.Event) []byte {
	return append(b, event.PathShared.String()...)
}

func appendNameAddress(_ *rows, b []byte, e *event.Event) []byte {
	return strconv.AppendUint(append(b, "0x"...), e.Address, 16)
}

// appendFile appends the name, or a mark in its place. A mark begins with a
// backslash and a parenthesis, which no escaped name does.
func appendFile(r *rows, b []byte, e *event.Event) []byte {
	switch e.NameKind {
	case event.NameRead:
		if len(e.Name) == 0 {
			return append(b, `""`...)
		}
		return AppendEscaped(b, e.Name)
	case event.NameUnsure:
		return AppendEscaped(append(b, `\(may have changed)`...), e.Name)
	case event.NameBad:
		b = append(b, `\(bad address `...)
	case event.NameHandle:
		b = append(b, `\(file handle at `...)
	default:
		b = append(b, `\(unread name at `...)
	}
	return append(appendNameAddress(r, b, e), ')')
}
