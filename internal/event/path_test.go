package event

import (
	"strings"
	"testing"
)

// walked returns a walk from a folder up; an empty part is the process's root.
func walked(state WalkState, path string) Walk {
	w := Walk{State: state}
	parts := strings.Split(path, "/")
	for i := len(parts) - 1; i > 0; i-- {
		w.Components = append(append(w.Components, parts[i]...), 0)
	}
	return w
}

func TestPath(t *testing.T) {
	none := Walk{State: walkNone}
	top := Walk{}
	for _, test := range []struct {
		name       string
		base, root Walk
		want       string
		problem    PathProblem
	}{
		{"/etc/passwd", none, top, "/etc/passwd", PathExact},
		{"//etc/.//passwd/", none, top, "/etc/passwd", PathExact},
		{"/../../etc", none, top, "/etc", PathExact},
		{"/", none, top, "/", PathExact},
		{"/a/../b", none, top, "/a/../b", PathExact},
		{"passwd", walked(0, "/etc"), none, "/etc/passwd", PathExact},
		{"./passwd", walked(0, "/etc/ssl"), none, "/etc/ssl/passwd", PathExact},
		{"../passwd", walked(0, "/etc/ssl"), none, "/etc/passwd", PathExact},
		{"../../../passwd", walked(0, "/etc/ssl"), none, "/passwd", PathExact},
		{"..", walked(0, "/etc/ssl"), none, "/etc", PathExact},
		{"../..", walked(0, "/etc/ssl"), none, "/", PathExact},
		{".", walked(0, "/etc/ssl"), none, "/etc/ssl", PathExact},
		{".", top, none, "/", PathExact},
		{"", walked(0, "/etc/ssl"), none, "/etc/ssl", PathExact},
		{"...", top, none, "/...", PathExact},
		{"a/../b", walked(0, "/x"), none, "/x/a/../b", PathExact},
		{"a\n\xff", walked(0, "/x\xff"), none, "/x\xff/a\n\xff", PathExact},
		// In a chroot at /jail.
		{"/etc/passwd", none, walked(0, "/jail/"), "/jail/etc/passwd", PathExact},
		{"../../x", walked(0, "/jail//etc"), none, "/jail/x", PathExact},
		{"../x", walked(0, "/jail//etc/ssl"), none, "/jail/etc/x", PathExact},
		{"../x", walked(0, "/outside/etc"), none, "/outside/x", PathExact},
		// The descriptor's folder is the root.
		{"/etc", walked(walkInRoot, "/x/y/"), none, "/x/y/etc", PathExact},
		{"../../etc", walked(walkInRoot, "/x/y/"), none, "/x/y/etc", PathExact},
		// What is not known.
		{"a", walked(walkDeleted, "/tmp/x"), none, "/tmp/x/a", PathDeleted},
		{"a", walked(walkMore, "/d/e"), none, "d/e/a", PathTooDeep},
		{"a", walked(walkMore|walkDeleted, "/d/e"), none, "d/e/a", PathTooDeep},
		{"a", walked(walkUnreachable, "/d"), none, "d/a", PathUnreachable},
		{"a", walked(walkEscaped, "/d"), none, "d/a", PathEscaped},
		{"../a", walked(walkBad, "/d"), none, "../a", PathBad},
		{"a", walked(walkChanged, "/d"), none, "a", PathChanged},
		{"a", none, none, "a", PathChanged},
		{"/a", walked(0, "/x"), Walk{State: walkUnreachable}, "a", PathUnreachable},
	} {
		e := Event{Name: []byte(test.name), Fields: Path, Folder: Folder{Base: test.base, Root: test.root}}
		if got, problem := e.appendPath(nil); string(got) != test.want || problem != test.problem {
			t.Errorf("%q of %q and %q: %q, %q, want %q, %q", test.name, test.base.Components, test.root.Components, got, problem, test.want, test.problem)
		}
	}
	e := Event{NameKind: NameBad, Fields: Path}
	if got, problem := e.appendPath([]byte("x")); string(got) != "x" || problem != PathNoName {
		t.Errorf("without a name: %q, %q", got, problem)
	}
}

func FuzzPath(f *testing.F) {
	f.Add([]byte("../x"), []byte("b\x00\x00a\x00"), uint16(0))
	f.Fuzz(func(t *testing.T, name, components []byte, state uint16) {
		w := Walk{WalkState(state), components}
		e := Event{Name: name, Fields: Path, Folder: Folder{Base: w, Root: w}}
		got, problem := e.appendPath(nil)
		if problem.Absolute() && (len(got) == 0 || got[0] != '/') {
			t.Errorf("%q is not absolute", got)
		}
	})
}
