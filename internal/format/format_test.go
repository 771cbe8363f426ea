package format

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

const allFields = event.UID | event.PPID | event.Flags | event.Result

// boot is a time at which nothing is round, in a zone that is not the machine's.
var boot = time.Date(2024, 2, 28, 23, 59, 58, 987654321, time.FixedZone("", -(3*60+30)*60))

func atBoot() time.Time { return boot }

// testEvents are what the golden files show. Their flags have the same bits on all
// architectures.
var testEvents = []event.Event{
	{Time: 1000000001, TGID: 1, TID: 1, Comm: []byte("systemd"), Name: []byte("/etc/passwd"),
		Fields: allFields, PPID: 0, Flags: unix.O_CLOEXEC, Result: 3},
	{Time: 1000001000, TGID: 4194304, TID: 4194303, Comm: []byte("fifteen chars.."), Name: []byte("/no/such/file"),
		Fields: allFields, UID: 1000, PPID: 1, Flags: unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC, Mode: 0o100644, Result: -int32(unix.ENOENT)},
	{Time: 2500000000, TGID: 20, TID: 21, Comm: []byte("evil\x1b[2J\n"), Name: []byte("line\nfeed\ttab\x1b[31m\\ \"quotes\", comma "),
		Fields: allFields, UID: 4294967294, PPID: 20, Flags: 3, Result: -int32(unix.EACCES)},
	{Time: 2500000000, TGID: 20, TID: 21, Comm: []byte("sm\xc3\xb6rg\xc3\xa5s \xe6\x97"), Name: []byte("caf\xe9/\xe6\x97\xa5\xe6\x9c\xac/\xf0\x9f\x90\xa7/\xe2\x80\xae"),
		Fields: allFields, UID: 1000, PPID: 20, Flags: unix.O_RDWR | unix.O_CREAT | unix.O_SYNC, Mode: 0o600, Result: 1048575},
	{Time: 61000000001, TGID: 22, TID: 22, Comm: []byte(" blank"), Name: nil,
		Fields: allFields, UID: 7, PPID: 1, Flags: 1 << 63, Result: event.ResultUnknown},
	{Time: 61000000002, TGID: 22, TID: 22, Comm: nil, NameKind: event.NameBad, Address: 0,
		Fields: allFields, UID: 7, PPID: 1, Flags: unix.O_CREAT | unix.O_EXCL, Mode: 0o4755, Result: -int32(unix.EFAULT)},
	{Time: 4000000000000, TGID: 22, TID: 23, Comm: []byte("waits"), NameKind: event.NameUnseen, Address: 0x7ffdeadbeef0,
		Fields: allFields, UID: 0, PPID: 1, Flags: unix.O_PATH | unix.O_NOATIME, Result: event.ResultUnknown},
	{Time: 4000000000000, TGID: 22, TID: 22, Comm: []byte("racer"), NameKind: event.NameUnsure, Name: []byte("/etc/\n\xff")},
	{Time: 4000000000000, TGID: 22, TID: 22, Comm: []byte("backup"), NameKind: event.NameHandle, Address: 0x7ffdeadbeef8,
		Fields: allFields, UID: 0, PPID: 1, Flags: unix.O_PATH, Result: 4},
	{Time: 4000000000000, TGID: 22, TID: 22, Comm: []byte("server"), Name: []byte("/srv/fixed"),
		Fields: allFields, UID: 0, PPID: 1, Result: 5, Fixed: true},
	{Time: 4000000000000, TGID: 22, TID: 22, Comm: []byte("server"), Name: []byte("/srv/none"),
		Fields: allFields, UID: 0, PPID: 1, Result: -int32(unix.ENFILE), Fixed: true},
	{Time: 4000000000000, TGID: 22, TID: 22, Comm: []byte("worker-1"), Name: []byte("config.h"), Fields: event.AllFields,
		EUID: 1000, Ancestors: ancestors(false, "make", "a>b\\\xff", "sh"), Took: 12345678, GID: 100, Login: 1000, Process: []byte("bu\nilder"), PComm: []byte("sh"), Args: []byte("make\x00-C\x00a \xff\n\x00"), ArgsSize: 300, Depth: 3,
		Container: &event.Container{ID: strings.Repeat("ab", 32), Name: "web\x1b[2J", Title: "web\x1b[2J@1000", UID: 1000, Image: "img:1", Pod: "p", Namespace: "n", Runtime: "docker"}, Path: event.Place{Known: []byte("/home/a\xff/config.h")}, Exe: event.Place{Known: []byte("/usr/bin/make")},
		Inode: 1<<53 + 1, StatDiffers: true, Dev: 254<<20 | 3, Created: true, Real: event.Place{Known: []byte("/srv/a\xff/config.h")}},
	{Time: 4000000000000, TGID: 22, TID: 22, Comm: []byte("worker-1"), Name: []byte("/proc/self/fd/5"), Fields: event.AllFields, Result: 3,
		Path: event.Place{Known: []byte("/proc/self/fd/5")}, Exe: event.Place{Known: []byte("/usr/bin/old"), Problem: event.PathDeletedFile},
		Inode: 7, Real: event.Place{Known: []byte("memfd:x\n"), Problem: event.PathSpecial, Kind: []byte("tmpfs")}},
	{Time: 4000000000000, TGID: 22, TID: 22, Comm: []byte("worker-1"), Name: []byte("/x"), Fields: event.AllFields, Result: 3, Container: &event.Container{ID: strings.Repeat("ab", 32), Title: "out/abababababab", Outer: &event.Container{ID: "out", Name: "out", Title: "out", Runtime: "lxc"}}, Unit: &event.Unit{Name: `a\x2db@1.service`, Within: "user.slice|user@1000.service"}, Args: []byte("x\x00"), ArgsSize: 2,
		Path: event.Place{Known: []byte("/x")}, Exe: event.Place{Problem: event.PathNone}, Real: event.Place{Problem: event.PathClosed}},
	{Time: 4000000000000, TGID: 22, TID: 22, Comm: []byte("worker-1"), Name: []byte("config.h"), Fields: event.AllFields,
		Real: event.Place{Problem: event.PathNone}, Result: -int32(unix.ENOENT), Process: []byte("builder"), Path: event.Place{Known: []byte("/tmp/x\t\xff/config.h"), Problem: event.PathDeleted}},
	{Time: 4000000000000, TGID: 22, TID: 22, Comm: []byte("worker-1"), Name: []byte("config.h"), Fields: event.AllFields,
		Result: -int32(unix.EBADF), Process: []byte("builder"), Folder: event.Folder{DFD: 77}, Path: event.Place{Known: []byte("config.h"), Problem: event.PathBad}},
	{Time: 4000000000000, TGID: 22, TID: 22, Comm: []byte("worker-1"), NameKind: event.NameBad, Address: 9, Fields: event.AllFields,
		Result: -int32(unix.EFAULT), Process: []byte("builder"), Path: event.Place{Problem: event.PathNoName}},
	{Time: 4000000000000, TGID: 22, TID: 22, Comm: []byte("sh"), Name: []byte("/bin/true"), Fields: allFields, Exec: true, Container: event.Host, Unit: event.NoUnit},
	{Time: 4000000000000, TGID: 22, TID: 22, Comm: []byte("sh"), Name: []byte("/bin/not"), Fields: event.AllFields, Exec: true, Result: -int32(unix.ENOENT), Container: event.Host, Login: event.NoLogin, Ancestors: ancestors(true, "true", "sh"), Took: 1, Blocks: true},
	{Time: 4000000000000, TGID: 22, TID: 22, Comm: []byte("git"), Name: []byte(".gitconfig"), Fields: event.Result | event.Flags, Lookup: event.Access, Result: -int32(unix.ENOENT)},
	{Time: 4000000000000, TGID: 22, TID: 22, Comm: []byte("git"), Name: []byte(".git"), Fields: event.Result | event.Flags, Lookup: event.Stat},
	{Time: 4000000000001, TGID: 22, TID: 22, Comm: []byte("plain"), Name: []byte(`C:\temp\x2d \n`)},
}

// ancestors are a process of that name and what it descends from.
func ancestors(cut bool, names ...string) (a event.Ancestors) {
	for i, name := range names {
		a.Add(uint32(99-i), []byte(name))
	}
	a.Cut = cut
	return a
}

// columnsOf returns the columns of these names.
func columnsOf(names ...string) []*Column {
	columns := make([]*Column, len(names))
	for i, name := range names {
		columns[i] = Find(name)
	}
	return columns
}

// testUsers is the user database of the golden files.
type testUsers struct{}

func (testUsers) Name(uid uint32) string {
	return map[uint32]string{0: "root", 1000: "a long name", 7: "=lp,\"\n"}[uid]
}

// writers are the Writers that golden files hold, by the files' names.
var writers = map[string]func(io.Writer) Writer{
	"table-default": func(w io.Writer) Writer { return NewTable(w, Options{}) },
	"table-all":     func(w io.Writer) Writer { return testTable(w, Options{Columns: Columns, Boot: atBoot}) },
	"table-file-first": func(w io.Writer) Writer {
		return testTable(w, Options{Columns: columnsOf("file", "pid", "fd")})
	},
	"table-color": func(w io.Writer) Writer {
		return testTable(w, Options{Columns: columnsOf("pid", "err", "file"), Color: true})
	},
	"bcc":               func(w io.Writer) Writer { return NewBCC(w, BCCOptions{}) },
	"bcc-timestamp":     func(w io.Writer) Writer { return NewBCC(w, BCCOptions{Time: true}) },
	"bcc-uid":           func(w io.Writer) Writer { return NewBCC(w, BCCOptions{UID: true}) },
	"bcc-tid":           func(w io.Writer) Writer { return NewBCC(w, BCCOptions{TID: true}) },
	"bcc-full-path":     func(w io.Writer) Writer { return NewBCC(w, BCCOptions{FullPath: true}) },
	"bcc-extended":      func(w io.Writer) Writer { return NewBCC(w, BCCOptions{Extended: true}) },
	"bcc-all-and-color": func(w io.Writer) Writer { return NewBCC(w, BCCOptions{true, true, true, true, true, true}) },
	"json-default":      func(w io.Writer) Writer { return NewJSON(w, Options{Boot: atBoot}) },
	"json-all":          func(w io.Writer) Writer { return testJSON(w, Options{Columns: Columns, Boot: atBoot}) },
	"csv-default":       func(w io.Writer) Writer { return NewCSV(w, Options{Boot: atBoot}) },
	"csv-all":           func(w io.Writer) Writer { return testCSV(w, Options{Columns: Columns, Boot: atBoot}) },
}

func testTable(w io.Writer, o Options) *Table {
	t := NewTable(w, o)
	t.users = testUsers{}
	return t
}

func testJSON(w io.Writer, o Options) *JSON {
	j := NewJSON(w, o)
	j.users = testUsers{}
	return j
}

func testCSV(w io.Writer, o Options) *CSV {
	c := NewCSV(w, o)
	c.users = testUsers{}
	return c
}

// written returns what a writer makes of events.
func written(t *testing.T, events []event.Event, newWriter func(io.Writer) Writer) []byte {
	t.Helper()
	var b bytes.Buffer
	w := newWriter(&b)
	err := w.Header()
	for i := range events {
		err = errors.Join(err, w.Event(&events[i]))
	}
	if err = errors.Join(err, w.Flush()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	for name, newWriter := range writers {
		t.Run(name, func(t *testing.T) {
			got := written(t, testEvents, newWriter)
			path := filepath.Join("../../testdata/format", name+".golden")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// The default table is a contract, given as formats of printf.
func TestDefaultTable(t *testing.T) {
	events := []event.Event{
		{Time: 7e9, TGID: 1, Comm: []byte("init"), Name: []byte("/a b")},
		{Time: 7000000123, TGID: 1234567, Comm: []byte("fifteen chars.."), Name: []byte("c")},
		{Time: 4007000000000, TGID: 42, Comm: []byte(""), Name: []byte("/d")},
	}
	want := "TIME(s)            COMM             PID    FILE\n"
	for _, e := range events {
		want += fmt.Sprintf("%-18.9f %-16s %-6d %s\n", float64(e.Time-7e9)/1e9, e.Comm, e.TGID, e.Name)
	}
	got := written(t, events, func(w io.Writer) Writer { return NewTable(w, Options{}) })
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The statements that print in bcc's opensnoop, which hold for what it can show.
func TestBCCFormats(t *testing.T) {
	for bits := range 16 {
		o := BCCOptions{Time: bits&1 != 0, UID: bits&2 != 0, TID: bits&4 != 0, Extended: bits&8 != 0}
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			var want strings.Builder
			if o.Time {
				fmt.Fprintf(&want, "%-14s", "TIME(s)")
			}
			if o.UID {
				fmt.Fprintf(&want, "%-6s", "UID")
			}
			id := "PID"
			if o.TID {
				id = "TID"
			}
			fmt.Fprintf(&want, "%-6s %-16s %4s %3s ", id, "COMM", "FD", "ERR")
			if o.Extended {
				fmt.Fprintf(&want, "%-9s", "FLAGS")
			}
			want.WriteString("PATH\n")

			var events []event.Event
			for i, result := range []int32{0, 3, 12345, -2, -4095} {
				e := event.Event{
					Time: 1999 + uint64(i)*1234567890123, TGID: uint32(i * 1000000), TID: uint32(i), UID: uint32(i * 700000),
					Comm: []byte("comm ")[:i], Name: []byte(`/a\b `)[:i], Fields: o.Fields(),
					Flags: []uint64{0, 0o100000, 0o777777777, 0xffffffff, 0x80000000}[i], Result: result,
				}
				events = append(events, e)
				if o.Time {
					fmt.Fprintf(&want, "%-14.9f", float64(e.Time/1000-1)/1000000)
				}
				if o.UID {
					fmt.Fprintf(&want, "%-6d", e.UID)
				}
				id := e.TGID
				if o.TID {
					id = e.TID
				}
				fmt.Fprintf(&want, "%-6d %-16s %4d %3d ", id, e.Comm, max(result, -1), -min(result, 0))
				if o.Extended {
					fmt.Fprintf(&want, "%08o ", int32(e.Flags))
				}
				fmt.Fprintf(&want, "%s\n", e.Name)
			}
			got := written(t, events, func(w io.Writer) Writer { return NewBCC(w, o) })
			if string(got) != want.String() {
				t.Errorf("got\n%s\nwant\n%s", got, want.String())
			}
		})
	}
}

// countingWriter holds that each Write has whole rows.
type countingWriter struct {
	t      *testing.T
	split  func([]byte) int
	writes int
	rows   int
	err    error
}

func (c *countingWriter) Write(p []byte) (int, error) {
	c.writes++
	for rest := p; len(rest) > 0; c.rows++ {
		n := c.split(rest)
		if n == 0 {
			c.t.Fatalf("a Write ends in the middle of a row: %q", rest)
		}
		rest = rest[n:]
	}
	return len(p), c.err
}

func TestWholeRows(t *testing.T) {
	text := bytes.Repeat([]byte{'\n'}, event.NameMax)
	long := event.Event{Name: text, Comm: []byte(`"`), Path: event.Place{Known: text}}
	for name, newWriter := range writers {
		t.Run(name, func(t *testing.T) {
			split := SplitLines
			if strings.HasPrefix(name, "csv") {
				split = SplitCSV
			}
			c := &countingWriter{t: t, split: split}
			w := newWriter(c)
			if err := w.Header(); err != nil {
				t.Fatal(err)
			}
			if headers := c.rows; headers > 1 || headers == 0 && !strings.HasPrefix(name, "json") {
				t.Errorf("Header wrote %d rows", headers)
			}
			c.rows, c.writes = 0, 0
			for range 100 {
				if err := w.Event(&long); err != nil {
					t.Fatal(err)
				}
			}
			if c.writes == 0 {
				t.Error("a full buffer was not written")
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if c.rows != 100 {
				t.Errorf("%d rows, want 100", c.rows)
			}
			writes := c.writes
			if err := w.Flush(); err != nil || c.writes != writes {
				t.Errorf("Flush of nothing: %d writes, error %v", c.writes-writes, err)
			}

			c.err = io.ErrClosedPipe
			if err := w.Event(&long); err != nil {
				t.Errorf("an event that fits into the buffer: %v", err)
			}
			if err := w.Flush(); err != io.ErrClosedPipe {
				t.Errorf("Flush: %v, want %v", err, io.ErrClosedPipe)
			}
		})
	}
}

func TestNoColorByDefault(t *testing.T) {
	for name, newWriter := range writers {
		colored := bytes.Contains(written(t, testEvents, newWriter), []byte{0x1b})
		if want := strings.HasSuffix(name, "color") || name == "csv-default" || name == "csv-all"; colored != want {
			t.Errorf("%s has an escape sequence: %v, want %v", name, colored, want) // CSV has the name's own
		}
	}
}

func TestNoTrailingBlanks(t *testing.T) {
	for name, newWriter := range writers {
		if !strings.HasPrefix(name, "table") {
			continue
		}
		for row := range strings.Lines(string(written(t, testEvents, newWriter))) {
			row = strings.TrimSuffix(strings.TrimSuffix(row, "\n"), Reset)
			if strings.HasSuffix(row, " ") {
				t.Errorf("%s: %q ends in a blank", name, row)
			}
		}
	}
}

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		rows       string
		lines, csv int
	}{
		{"", 0, 0},
		{"a", 0, 0},
		{"a\r\nb\r\n", 3, 3},
		{"\"a\nb\"\r\nc\r\n", 3, 7},
		{"\"a\"\"\nb\"\r\nc\r\n", 5, 9},
		{"\"a\n", 3, 0},
	} {
		if n := SplitLines([]byte(test.rows)); n != test.lines {
			t.Errorf("SplitLines(%q) = %d, want %d", test.rows, n, test.lines)
		}
		if n := SplitCSV([]byte(test.rows)); n != test.csv {
			t.Errorf("SplitCSV(%q) = %d, want %d", test.rows, n, test.csv)
		}
	}
}
