package event

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	for name, e := range map[string]Event{
		"nothing more":      {Time: 1, TGID: 2, TID: 3, Comm: []byte("cat"), Name: []byte("/etc/passwd")},
		"the largest":       {Time: 1<<64 - 1, TGID: 1<<32 - 1, TID: 1<<32 - 1, Comm: []byte("fifteen chars.."), Name: bytes.Repeat([]byte{0xff}, NameMax), Fields: AllFields, UID: 1<<32 - 1, PPID: 1<<32 - 1, Flags: 1<<64 - 1, Mode: 1<<32 - 1, Result: 1<<31 - 1, EUID: 1<<32 - 1, Process: []byte("fifteen chars.."), PComm: []byte("p"), Folder: Folder{DFD: -1, Base: Walk{Components: bytes.Repeat([]byte{0xff}, 4088)}, Root: Walk{Components: bytes.Repeat([]byte{0xff}, 4088)}}},
		"the user":          {Fields: UID, UID: 1000, Comm: []byte{}, Name: []byte("a")},
		"the parent":        {Fields: PPID, PPID: 1, Comm: []byte{}, Name: []byte("a")},
		"the flags":         {Fields: Flags, Flags: 0o2000000, Mode: 0o644, Comm: []byte{}, Name: []byte("a")},
		"an error":          {Fields: Result, Result: -2, Comm: []byte{}, Name: []byte("a")},
		"an unknown result": {Fields: Result, Result: ResultUnknown, Comm: []byte{}, Name: []byte("a")},
		"an empty name":     {Comm: []byte("a"), Name: []byte{}},
		"a bad address":     {Comm: []byte("a"), NameKind: NameBad, Address: 1<<64 - 1},
		"an unseen name":    {Comm: []byte("a"), NameKind: NameUnseen, Address: 5, Fields: AllFields, Result: ResultUnknown, Process: []byte{}, PComm: []byte{}, Path: Place{Problem: PathNoName}},
	} {
		for _, padding := range []int{0, 1, 7} {
			record := append(e.Append(nil), make([]byte, padding)...)
			var got Event
			if err := got.Decode(record); err != nil {
				t.Errorf("%s, %d bytes of padding: %v", name, padding, err)
			} else if got.Path.Known, got.Exe.Known, got.Real.Known = nil, nil, nil; !reflect.DeepEqual(got, e) {
				t.Errorf("%s, %d bytes of padding: got %+v, want %+v", name, padding, got, e)
			}
			if at := Time(record); at != e.Time {
				t.Errorf("%s: Time is %d, want %d", name, at, e.Time)
			}
		}
	}
}

// A comm that is longer than the kernel's is cut as the kernel does.
func TestAppendCutsComm(t *testing.T) {
	e := Event{Comm: []byte("sixteen chars...")}
	var got Event
	if err := got.Decode(e.Append(nil)); err != nil || string(got.Comm) != "sixteen chars.." {
		t.Errorf("%q, %v", got.Comm, err)
	}
}

func TestDecodeErrors(t *testing.T) {
	record := func(e Event, change func(b []byte) []byte) []byte { return change(e.Append(nil)) }
	named := Event{Comm: []byte("a"), Name: []byte("name")}
	detailed := Event{Fields: Result, Name: []byte("name")}
	bad := Event{NameKind: NameBad}
	for _, test := range []struct {
		record []byte
		err    string
	}{
		{nil, "a record of 0 bytes, shorter than its header of 24"},
		{make([]byte, headerSize-1), "a record of 23 bytes, shorter"},
		{make([]byte, headerSize+CommSize-1), "a record of 39 bytes, too short for its parts of 0"},
		{record(named, func(b []byte) []byte { return b[:len(b)-1] }), "a name of 4 bytes in a record with room for 3"},
		{record(detailed, func(b []byte) []byte { return b[:headerSize+8+CommSize-1] }), "a record of 47 bytes, too short for its parts of 8"},
		{record(detailed, func(b []byte) []byte { b[19] |= 16; return b }), "a record with unknown parts: 0x10000000"},
		{record(named, func(b []byte) []byte { b[22] = 5; return b }), "a name of the unknown kind 5"},
		{record(bad, func(b []byte) []byte { b[20]--; return b }), "an address of 7 bytes"},
		{append((&Event{Name: make([]byte, NameMax+1)}).Append(nil), 0), "a name of 4096 bytes"},
	} {
		var e Event
		if err := e.Decode(test.record); err == nil || !strings.HasPrefix(err.Error(), test.err) {
			t.Errorf("%x: error %v, want %q", test.record, err, test.err)
		}
	}
	if at := Time(make([]byte, 7)); at != 0 {
		t.Errorf("Time of 7 bytes is %d", at)
	}
}

// A part whose values could not be read is passed over, wherever it stands.
func TestUnreadParts(t *testing.T) {
	e := Event{
		Comm: []byte("a"), Name: []byte("name"), Fields: AllFields,
		Flags: 0x1112131415161718, Mode: 0x21222324, PPID: 0x31323334, Result: 0x41424344, UID: 0x51525354, EUID: 0x61626364,
		Process: []byte("b"), PComm: []byte("c"), Folder: Folder{DFD: 3}, Path: Place{Known: []byte("/name")},
		Inode: 1 << 40, Dev: 5, Created: true, Depth: 7, Login: 8, Exe: Place{Known: []byte("/")}, Real: Place{Known: []byte("/")},
	}
	unread := []Number{{Field: Flags, Unread: flagsUnread}, *NumberOf("depth"), *NumberOf("login")}
	for marks := range 1 << len(unread) {
		record, want := e.Append(nil), e
		bits := uint32(AllFields)
		for i, n := range unread {
			if marks>>i&1 != 0 {
				bits |= n.Unread
				want.Fields &^= n.Field
			}
		}
		binary.NativeEndian.PutUint32(record[16:], bits)
		if !want.Fields.Has(Flags) {
			want.Flags, want.Mode = 0, 0
		}
		if !want.Fields.Has(Login) {
			want.Login = 0
		}
		if !want.Fields.Has(Depth) {
			want.Depth = 0
		}
		var got Event
		if err := got.Decode(record); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("unread %#x: got %+v, %v, want %+v", bits, got, err, want)
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	record := (&Event{Comm: []byte("cat"), Name: []byte("/etc/passwd"), Fields: AllFields}).Append(nil)
	var e Event
	if n := testing.AllocsPerRun(1000, func() {
		if err := e.Decode(record); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever the bytes, Decode does not read beyond them; and what it takes, Append
// makes a record of that is the same event.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add((&Event{Comm: []byte("cat"), Name: []byte("/etc/passwd")}).Append(nil))
	f.Add((&Event{Comm: []byte("cat"), Name: []byte("a"), Fields: AllFields, Result: -2}).Append(nil))
	for _, fields := range someFields() {
		f.Add((&Event{Comm: []byte("cat"), Name: []byte("a"), Fields: fields}).Append(nil))
	}
	f.Add((&Event{NameKind: NameBad, Address: 1}).Append(nil))
	f.Add((&Event{NameKind: NameUnseen, Fields: Result, Result: ResultUnknown}).Append(nil))
	f.Fuzz(func(t *testing.T, record []byte) {
		var e, again Event
		if e.Decode(record[:len(record):len(record)]) != nil {
			return
		}
		if len(e.Comm) >= CommSize || len(e.Process) >= CommSize || len(e.PComm) >= CommSize {
			return // no NUL: the kernel always ends it with one
		}
		if len(e.Name) > NameMax {
			t.Fatalf("a name of %d bytes", len(e.Name))
		}
		if err := again.Decode(e.Append(nil)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(e, again) {
			t.Errorf("%+v became %+v", e, again)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	record := (&Event{Comm: []byte("cat"), Name: []byte("/etc/passwd"), Fields: AllFields}).Append(nil)
	var e Event
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Decode(record); err != nil {
			b.Fatal(err)
		}
	}
}
