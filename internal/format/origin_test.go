package format

import (
	"bytes"
	"testing"

	"opensnoop/internal/event"
)

// A row never has what is the row before's: JSON keeps the text of what is the same.
func TestRowsOfOthers(t *testing.T) {
	base := testEvents[11]
	changes := map[string]func(e *event.Event){
		"pid": func(e *event.Event) { e.TGID++ }, "tid": func(e *event.Event) { e.TID++ }, "ppid": func(e *event.Event) { e.PPID++ },
		"uid": func(e *event.Event) { e.UID++ }, "euid": func(e *event.Event) { e.EUID++ }, "gid": func(e *event.Event) { e.GID++ },
		"login": func(e *event.Event) { e.Login = event.NoLogin }, "depth": func(e *event.Event) { e.Depth++ },
		"comm": func(e *event.Event) { e.Comm = []byte("x") }, "process": func(e *event.Event) { e.Process = nil }, "pcomm": func(e *event.Event) { e.PComm = []byte("y") },
		"parts":     func(e *event.Event) { e.Process, e.PComm = []byte("bu"), []byte("\nildersh") },
		"ancestors": func(e *event.Event) { e.Ancestors = ancestors(false, "make", "a>b\\\xff", "bash") },
		"cut":       func(e *event.Event) { e.Ancestors = ancestors(true, "make", "a>b\\\xff", "sh") },
		"args":      func(e *event.Event) { e.Args = []byte("make\x00-D\x00a \xff\n\x00") }, "args cut": func(e *event.Event) { e.ArgsSize = uint32(len(e.Args)) },
		"exe": func(e *event.Event) { e.Exe.Known = []byte("/usr/bin/gmake") }, "no exe": func(e *event.Event) { e.Exe = event.Place{Problem: event.PathNone} },
		"kind": func(e *event.Event) { e.Exe.Problem, e.Exe.Kind = event.PathSpecial, []byte("x") }, "unread": func(e *event.Event) { e.Fields &^= event.Args | event.GID },
		"container": func(e *event.Event) { e.Container = event.Host }, "unit": func(e *event.Event) { e.Unit = event.NoUnit }, "file": func(e *event.Event) { e.Name = []byte("z") },
	}
	for _, c := range Columns {
		if c.origin && changes[c.Name] == nil {
			t.Errorf("%s follows from the origin: change it here", c.Name)
		}
	}
	for name, change := range changes {
		changed := base
		change(&changed)
		var one, other, both bytes.Buffer
		write := func(b *bytes.Buffer, events ...*event.Event) {
			w := testJSON(b, Options{Columns: Columns, Boot: atBoot})
			for _, e := range events {
				if err := w.Event(e); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		write(&one, &base)
		write(&other, &changed)
		write(&both, &base, &changed, &changed, &base)
		if want := one.String() + other.String() + other.String() + one.String(); both.String() != want || one.String() == other.String() {
			t.Errorf("%s: got\n%swant\n%s", name, both.String(), want)
		}
	}
}
