package cli

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

func TestUnique(t *testing.T) {
	open := func(program, path string, result int32, flags uint64) *event.Event {
		return &event.Event{
			Fields: event.Exe | event.Path | event.Result | event.Flags, Exe: event.Place{Known: []byte(program)},
			Path: event.Place{Known: []byte(path)}, Result: result, Flags: flags,
		}
	}
	u := newUnique()
	for i, test := range []struct {
		e    *event.Event
		want bool
	}{
		{open("/bin/a", "/x", 3, 0), true},
		{open("/bin/a", "/x", 4, 0), false}, // another descriptor
		{open("/bin/b", "/x", 3, 0), true},
		{open("/bin/a", "/y", 3, 0), true},
		{open("/bin/a", "/x", 3, unix.O_WRONLY), true},
		{open("/bin/a", "/x", -int32(unix.ENOENT), 0), true},
		{open("/bin/a", "/x", -int32(unix.EACCES), 0), true},
		{open("/bin/a", "/x", -int32(unix.ENOENT), 0), false},
		{open("/bin/a/x", "", 3, 0), true}, // no other way to part it
	} {
		if got := u.first(test.e); got != test.want {
			t.Errorf("open %d is the first: %v", i, got)
		}
	}
	if u.repeats != 2 {
		t.Errorf("%d repeats, want 2", u.repeats)
	}
}

// What comes again is remembered, what does not is forgotten, and memory is bounded.
func TestUniqueForgets(t *testing.T) {
	u := newUnique()
	u.max = 10
	often := &event.Event{Name: []byte("often")}
	u.first(often)
	for i := range 1000 {
		if !u.first(&event.Event{Name: fmt.Append(nil, i)}) {
			t.Fatalf("%d is not the first", i)
		}
		if u.first(often) {
			t.Fatal("what comes again and again was forgotten")
		}
	}
	if len(u.last)+len(u.older) > 2*u.max || u.forgotten < 900 {
		t.Errorf("%d rows are remembered, %d forgotten", len(u.last)+len(u.older), u.forgotten)
	}
}

func BenchmarkUnique(b *testing.B) {
	u, e := newUnique(), &event.Event{Name: []byte("/usr/lib/x86_64-linux-gnu/libc.so.6"), Comm: []byte("cat")}
	for b.Loop() {
		u.first(e)
	}
}
