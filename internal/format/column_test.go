package format

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

func TestParseColumns(t *testing.T) {
	for _, test := range []struct {
		list string
		want []Column
		err  string // a part of it
	}{
		{list: "pid", want: []Column{PID}},
		{list: "file,time", want: []Column{File, Time}},
		{list: " PID , Comm", want: []Column{PID, Comm}},
		{list: "time,wall,pid,tid,ppid,uid,user,fd,err,flags,mode,comm,file", want: Columns},
		{list: "", err: `"" is no column: expected some of time,wall,pid,`},
		{list: "pid,,file", err: `"" is no column`},
		{list: "pid,file,pid", err: "the column pid is there twice"},
		{list: "pid,conm", err: `"conm" is no column (did you mean comm?)`},
		{list: "path", err: "(did you mean file?)"},
		{list: "errno", err: "(did you mean err?)"},
		{list: "fdd", err: "(did you mean fd?)"},
		{list: "use", err: "(did you mean user?)"},
		{list: "inode", err: `"inode" is no column (did you mean mode?)`},
		{list: "size", err: `"size" is no column`},
		{list: "anything", err: `"anything" is no column: `},
	} {
		got, err := ParseColumns(test.list)
		switch {
		case test.err == "" && (err != nil || !slices.Equal(got, test.want)):
			t.Errorf("%q: %v, %v; want %v", test.list, got, err, test.want)
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%q: error %v, want %q", test.list, err, test.err)
		}
	}
}

func TestColumnFields(t *testing.T) {
	want := map[Column]event.Fields{
		PPID: event.PPID, UID: event.UID, User: event.UID, FD: event.Result, Err: event.Result,
		Flags: event.Flags, Mode: event.Flags,
	}
	for _, c := range Columns {
		if got := c.Fields(); got != want[c] {
			t.Errorf("%s needs %b, want %b", c, got, want[c])
		}
	}
	if got := (Options{}).Fields(); got != 0 {
		t.Errorf("the default table needs %b, want nothing", got)
	}
	if got := (Options{Columns: Columns}).Fields(); got != allFields {
		t.Errorf("all columns need %b, want %b", got, allFields)
	}
	if got := (BCCOptions{}).Fields(); got != event.Result {
		t.Errorf("bcc's layout needs %b, want %b", got, event.Result)
	}
	if got := (BCCOptions{UID: true, Extended: true}).Fields(); got != event.Result|event.UID|event.Flags {
		t.Errorf("bcc's layout with UID and FLAGS needs %b", got)
	}
}

// Each column's value, and its header.
func TestColumns(t *testing.T) {
	result := func(n int32) event.Event { return event.Event{Fields: event.Result, Result: n} }
	flags := func(bits uint64, mode uint32) event.Event {
		return event.Event{Fields: event.Flags, Flags: bits, Mode: mode}
	}
	for _, test := range []struct {
		column Column
		header string
		event  event.Event
		want   string
	}{
		{Time, "TIME(s)", event.Event{Time: 5}, "0.000000000"},
		{Wall, "TIME", event.Event{Time: 12345678}, "23:59:58.012345"},
		{PID, "PID", event.Event{TGID: 7, TID: 8}, "7"},
		{TID, "TID", event.Event{TGID: 7, TID: 8}, "8"},
		{PPID, "PPID", event.Event{Fields: event.PPID, PPID: 9}, "9"},
		{PPID, "PPID", event.Event{PPID: 9}, "?"},
		{UID, "UID", event.Event{Fields: event.UID, UID: 4294967295}, "4294967295"},
		{UID, "UID", event.Event{}, "?"},
		{User, "USER", event.Event{Fields: event.UID, UID: 0}, "root"},
		{User, "USER", event.Event{Fields: event.UID, UID: 7}, `=lp,"\n`},
		{User, "USER", event.Event{Fields: event.UID, UID: 12345}, "12345"},
		{User, "USER", event.Event{}, "?"},
		{FD, "  FD", result(0), "   0"},
		{FD, "  FD", result(12345), "12345"},
		{FD, "  FD", result(-2), "  -1"},
		{FD, "  FD", result(event.ResultUnknown), "   ?"},
		{FD, "  FD", event.Event{Result: 3}, "   ?"},
		{Err, "ERR", result(0), "0"},
		{Err, "ERR", result(3), "0"},
		{Err, "ERR", result(-1), "EPERM"},
		{Err, "ERR", result(-2), "ENOENT"},
		{Err, "ERR", result(-36), "ENAMETOOLONG"},
		{Err, "ERR", result(-512), "ERESTARTSYS"},
		{Err, "ERR", result(-513), "ERESTARTNOINTR"},
		{Err, "ERR", result(-514), "ERESTARTNOHAND"},
		{Err, "ERR", result(-515), "ENOIOCTLCMD"},
		{Err, "ERR", result(-516), "ERESTART_RESTARTBLOCK"},
		{Err, "ERR", result(-517), "517"},
		{Err, "ERR", result(-4095), "4095"},
		{Err, "ERR", result(event.ResultUnknown + 1), "2147483647"},
		{Err, "ERR", result(event.ResultUnknown), "?"},
		{Err, "ERR", event.Event{Result: -2}, "?"},
		{Flags, "FLAGS", flags(unix.O_RDONLY, 0), "O_RDONLY"},
		{Flags, "FLAGS", flags(unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0), "O_WRONLY|O_CREAT|O_EXCL"},
		{Flags, "FLAGS", flags(unix.O_RDWR|unix.O_CLOEXEC, 0), "O_RDWR|O_CLOEXEC"},
		{Flags, "FLAGS", flags(3, 0), "0x3"},
		{Flags, "FLAGS", flags(3|unix.O_APPEND, 0), "0x3|O_APPEND"},
		{Flags, "FLAGS", flags(unix.O_SYNC, 0), "O_RDONLY|O_SYNC"},
		{Flags, "FLAGS", flags(unix.O_DSYNC, 0), "O_RDONLY|O_DSYNC"},
		{Flags, "FLAGS", flags(unix.O_SYNC&^unix.O_DSYNC, 0), "O_RDONLY|0x100000"},
		{Flags, "FLAGS", flags(unix.O_RDWR|unix.O_TMPFILE, 0), "O_RDWR|O_TMPFILE"},
		{Flags, "FLAGS", flags(unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_PATH, 0), "O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_PATH"},
		{Flags, "FLAGS", flags(event.TmpFile, 0), "O_RDONLY|0x400000"},
		{Flags, "FLAGS", flags(unix.O_DIRECT, 0), "O_RDONLY|O_DIRECT"},
		{Flags, "FLAGS", flags(event.LargeFile, 0), "O_RDONLY|O_LARGEFILE"},
		{Flags, "FLAGS", flags(1<<63|1<<30, 0), "O_RDONLY|0x8000000040000000"},
		{Flags, "FLAGS", event.Event{}, "?"},
		{Mode, "MODE", flags(unix.O_CREAT, 0), "0000"},
		{Mode, "MODE", flags(unix.O_CREAT, 0o644), "0644"},
		{Mode, "MODE", flags(unix.O_CREAT, 0o106755), "6755"},
		{Mode, "MODE", flags(unix.O_TMPFILE, 0o600), "0600"},
		{Mode, "MODE", flags(unix.O_DIRECTORY, 0o600), "-"},
		{Mode, "MODE", flags(0, 0o644), "-"},
		{Mode, "MODE", event.Event{}, "?"},
		{Comm, "COMM", event.Event{Comm: []byte("a b")}, "a b"},
		{Comm, "COMM", event.Event{Comm: []byte("a\r")}, `a\x0d`},
		{File, "FILE", event.Event{Name: []byte(" /a ")}, ` /a\x20`},
		{File, "FILE", event.Event{}, ""},
		{File, "FILE", event.Event{NameKind: event.NameBad, Address: 0xabc}, `\(bad address 0xabc)`},
		{File, "FILE", event.Event{NameKind: event.NameUnseen, Address: 1}, `\(unread name at 0x1)`},
	} {
		got := written(t, []event.Event{test.event}, func(w io.Writer) Writer {
			return testTable(w, Options{Columns: []Column{test.column}, Boot: boot.Truncate(time.Second)})
		})
		if want := test.header + "\n" + test.want + "\n"; string(got) != want {
			t.Errorf("%s of %+v: got %q, want %q", test.column, test.event, got, want)
		}
	}
}
