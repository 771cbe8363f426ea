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
		want []*Column
		err  string // a part of it
	}{
		{list: "pid", want: columnsOf("pid")},
		{list: "file,time", want: columnsOf("file", "time")},
		{list: " PID , Comm", want: columnsOf("pid", "comm")},
		{list: "time,wall,pid,tid,ppid,uid,user,euid,gid,login,fd,err,took,op,flags,mode,comm,process,pcomm,ancestors,args,depth,container,unit,path,realpath,exe,dev,inode,created,file", want: Columns},
		{list: "", err: `"" is no column: expected some of time,wall,pid,`},
		{list: "pid,,file", err: `"" is no column`},
		{list: "pid,file,pid", err: "the column pid is there twice"},
		{list: "pid,conm", err: `"conm" is no column (did you mean comm?)`},
		{list: "filename", err: "(did you mean file?)"},
		{list: "ret", err: "(did you mean fd?)"},
		{list: "fdd", err: "(did you mean fd?)"},
		{list: "use", err: "(did you mean user?)"},
		{list: "ino", err: `"ino" is no column (did you mean inode?)`},
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

// Each column is whole, and no name or place is there twice.
func TestColumnsAreWhole(t *testing.T) {
	names, fields, places := map[string]bool{}, map[string]bool{}, map[int]bool{}
	for _, c := range Columns {
		if c.Help == "" || c.header == "" || c.text == nil || len(c.fields) == 0 || c.place == 0 || c.width > maxWidth {
			t.Errorf("the column %q lacks something or is too wide", c.Name)
		}
		for _, name := range append(c.aliases, c.Name) {
			if names[name] {
				t.Errorf("two columns go by %s", name)
			}
			names[name] = true
		}
		for _, f := range c.fields {
			if fields[f.name] || f.value == nil {
				t.Errorf("the field %s has no value, or is there twice", f.name)
			}
			fields[f.name] = true
		}
		if places[c.place] {
			t.Errorf("the column %s has the place of another one", c.Name)
		}
		places[c.place] = true
	}
}

func TestUsual(t *testing.T) {
	for _, test := range []struct {
		names []string
		want  string
	}{
		{nil, "time,comm,pid,file"},
		{[]string{"file", "uid"}, "time,uid,comm,pid,file"},
		{[]string{"mode", "flags", "err", "tid", "uid"}, "time,uid,comm,pid,tid,err,flags,mode,file"},
		{strings.Split(Names(Columns), ","), "time,wall,uid,user,euid,gid,login,container,unit,comm,process,exe,args,pid,tid,depth,ppid,pcomm,ancestors,fd,err,took,op,flags,mode,dev,inode,created,file,path,realpath"},
	} {
		if got := Names(Usual(test.names...)); got != test.want {
			t.Errorf("with %q: %s, want %s", test.names, got, test.want)
		}
	}
}

func TestColumnFields(t *testing.T) {
	want := map[string]event.Fields{
		"ppid": event.PPID, "uid": event.UID, "user": event.UID, "fd": event.Result, "err": event.Result,
		"flags": event.Flags, "mode": event.Flags, "euid": event.EUID, "ancestors": event.Ancestry, "took": event.Took, "gid": event.GID, "login": event.Login, "process": event.Process, "path": event.Path, "exe": event.Exe, "pcomm": event.PComm, "container": event.Cgroup, "unit": event.Cgroup, "args": event.Args, "depth": event.Depth, "realpath": event.File, "dev": event.File, "inode": event.File, "created": event.File,
	}
	for _, c := range Columns {
		if c.Needs != want[c.Name] {
			t.Errorf("%s needs %b, want %b", c.Name, c.Needs, want[c.Name])
		}
	}
	if got := (Options{}).Fields(); got != 0 {
		t.Errorf("the default table needs %b, want nothing", got)
	}
	if got := (Options{Columns: Columns}).Fields(); got != event.AllFields {
		t.Errorf("all columns need %b, want %b", got, event.AllFields)
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
		column string
		header string
		event  event.Event
		want   string
	}{
		{"time", "TIME(s)", event.Event{Time: 5}, "0.000000000"},
		{"wall", "TIME", event.Event{Time: 12345678}, "23:59:58.012345"},
		{"pid", "PID", event.Event{TGID: 7, TID: 8}, "7"},
		{"tid", "TID", event.Event{TGID: 7, TID: 8}, "8"},
		{"ppid", "PPID", event.Event{Fields: event.PPID, PPID: 9}, "9"},
		{"ppid", "PPID", event.Event{PPID: 9}, "?"},
		{"uid", "UID", event.Event{Fields: event.UID, UID: 4294967295}, "4294967295"},
		{"uid", "UID", event.Event{}, "?"},
		{"user", "USER", event.Event{Fields: event.UID, UID: 0}, "root"},
		{"user", "USER", event.Event{Fields: event.UID, UID: 7}, `=lp,"\n`},
		{"user", "USER", event.Event{Fields: event.UID, UID: 12345}, "12345"},
		{"user", "USER", event.Event{}, "?"},
		{"fd", "  FD", result(0), "   0"},
		{"fd", "  FD", result(12345), "12345"},
		{"fd", "  FD", result(-2), "  -1"},
		{"fd", "  FD", result(event.ResultUnknown), "   ?"},
		{"fd", "  FD", event.Event{Result: 3}, "   ?"},
		{"err", "ERR", result(0), "0"},
		{"err", "ERR", result(3), "0"},
		{"err", "ERR", result(-1), "EPERM"},
		{"err", "ERR", result(-2), "ENOENT"},
		{"err", "ERR", result(-36), "ENAMETOOLONG"},
		{"err", "ERR", result(-517), "517"},
		{"err", "ERR", result(-4095), "4095"},
		{"err", "ERR", result(event.ResultUnknown + 1), "2147483647"},
		{"err", "ERR", result(event.ResultUnknown), "?"},
		{"err", "ERR", event.Event{Result: -2}, "?"},
		{"flags", "FLAGS", flags(unix.O_RDONLY, 0), "O_RDONLY"},
		{"flags", "FLAGS", flags(unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0), "O_WRONLY|O_CREAT|O_EXCL"},
		{"flags", "FLAGS", flags(unix.O_RDWR|unix.O_CLOEXEC, 0), "O_RDWR|O_CLOEXEC"},
		{"flags", "FLAGS", flags(3, 0), "0x3"},
		{"flags", "FLAGS", flags(3|unix.O_APPEND, 0), "0x3|O_APPEND"},
		{"flags", "FLAGS", flags(unix.O_SYNC, 0), "O_RDONLY|O_SYNC"},
		{"flags", "FLAGS", flags(unix.O_DSYNC, 0), "O_RDONLY|O_DSYNC"},
		{"flags", "FLAGS", flags(unix.O_SYNC&^unix.O_DSYNC, 0), "O_RDONLY|0x100000"},
		{"flags", "FLAGS", flags(unix.O_RDWR|unix.O_TMPFILE, 0), "O_RDWR|O_TMPFILE"},
		{"flags", "FLAGS", flags(unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_PATH, 0), "O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_PATH"},
		{"flags", "FLAGS", flags(event.TmpFile, 0), "O_RDONLY|0x400000"},
		{"flags", "FLAGS", flags(unix.O_DIRECT, 0), "O_RDONLY|O_DIRECT"},
		{"flags", "FLAGS", flags(event.LargeFile, 0), "O_RDONLY|O_LARGEFILE"},
		{"flags", "FLAGS", flags(1<<63|1<<30, 0), "O_RDONLY|0x8000000040000000"},
		{"flags", "FLAGS", event.Event{}, "?"},
		{"mode", "MODE", flags(unix.O_CREAT, 0), "0000"},
		{"mode", "MODE", flags(unix.O_CREAT, 0o644), "0644"},
		{"mode", "MODE", flags(unix.O_CREAT, 0o106755), "6755"},
		{"mode", "MODE", flags(unix.O_TMPFILE, 0o600), "0600"},
		{"mode", "MODE", flags(unix.O_DIRECTORY, 0o600), "-"},
		{"mode", "MODE", flags(0, 0o644), "-"},
		{"mode", "MODE", event.Event{}, "?"},
		{"comm", "COMM", event.Event{Comm: []byte("a b")}, "a b"},
		{"comm", "COMM", event.Event{Comm: []byte("a\r")}, `a\x0d`},
		{"file", "FILE", event.Event{Name: []byte(" /a ")}, ` /a\x20`},
		{"file", "FILE", event.Event{}, `""`},
		{"file", "FILE", event.Event{NameKind: event.NameBad, Address: 0xabc}, `\(bad address 0xabc)`},
		{"file", "FILE", event.Event{NameKind: event.NameUnseen, Address: 1}, `\(unread name at 0x1)`},
	} {
		got := written(t, []event.Event{test.event}, func(w io.Writer) Writer {
			return testTable(w, Options{Columns: columnsOf(test.column), Boot: func() time.Time { return boot.Truncate(time.Second) }})
		})
		if want := test.header + "\n" + test.want + "\n"; string(got) != want {
			t.Errorf("%s of %+v: got %q, want %q", test.column, test.event, got, want)
		}
	}
}
