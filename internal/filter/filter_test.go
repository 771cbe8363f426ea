package filter

import (
	"slices"
	"syscall"
	"testing"

	"opensnoop/internal/event"
)

func TestMacros(t *testing.T) {
	for _, test := range []struct {
		name   string
		filter Filter
		want   []string
	}{
		{"none", Filter{}, nil},
		{"one process", Filter{PIDs: []uint32{7, 7}}, []string{"PID_SLOT"}},
		{"processes", Filter{PIDs: []uint32{9, 7, 9}}, []string{"PIDS"}},
		{"threads and users", Filter{TIDs: []uint32{1}, UIDs: []uint32{0}}, []string{"LISTED=ONE_OF((u32)local, case 1:) && ONE_OF((u32)bpf_get_current_uid_gid(), case 0:)"}},
		{"a comm that is none", Filter{Comms: []string{"123456789abcdefg"}}, []string{"COMMS=false"}},
		{"a long comm", Filter{Comms: []string{"123456789abcdef"}}, []string{"COMMS=comm_contains(comm, 0x3837363534333231, 0x66656463626139, 15)"}},
		{"a comm", Filter{Comms: []string{`"\`}}, []string{"COMMS=comm_contains(comm, 0x5c22, 0x0, 2)"}},
		{"comms", Filter{Comms: []string{"a", "b"}}, nil},
		{"maps", Filter{Cgroups: "/a", MountNamespaces: "/b"}, []string{"CGROUPS", "MNTNSES"}},
		{"flags", Filter{Flags: []Flag{{3, 1}, {64, 64}}}, []string{"FLAGS_WANTED=(flags & 0x3) == 0x1 || (flags & 0x40) == 0x40"}},
		{"failed", Filter{Failed: true}, []string{"RESULT_WANTED=result != RESULT_UNKNOWN && result < 0"}},
		{"results", Filter{Success: true, Errnos: []syscall.Errno{2, 13}}, []string{"RESULT_WANTED=result != RESULT_UNKNOWN && result >= 0 && (result == -2 || result == -13)"}},
		{"excluded", Filter{ExcludedPIDs: []uint32{1}, ExcludedUIDs: []uint32{2}, ExcludedComms: []string{"a"}},
			[]string{"COMMS_EXCLUDED=comm_contains(comm, 0x61, 0x0, 1)", "LISTED=!ONE_OF(local >> 32, case 1:) && !ONE_OF((u32)bpf_get_current_uid_gid(), case 2:)"}},
		{"names", Filter{Paths: Globs{glob(t, "a*")}, ExcludedPaths: Globs{glob(t, "b")}},
			[]string{`NAMES=has_prefix(name, "a", 1)`, `NAMES_EXCLUDED=has_prefix(name, "b\000", 2)`}},
		{"paths", Filter{Paths: Globs{glob(t, "/a/**"), glob(t, "/usr/b*")}, ExcludedPaths: Globs{glob(t, "/b"), glob(t, "c")}},
			[]string{`PATHS=may_have_prefix(name, "/a", 2) || may_have_prefix(name, "/usr/b", 6)`, `TOPS=has_prefix(top, "a\000", 2) || has_prefix(top, "usr\000", 4)`,
				`PATHS_EXCLUDED=has_prefix(name, "/b\000", 3)`, `NAMES_EXCLUDED=has_prefix(name, "c\000", 2)`}},
		{"paths and names", Filter{Paths: Globs{glob(t, "/a*"), glob(t, "b")}},
			[]string{`PATHS=may_have_prefix(name, "/a", 2) || may_have_prefix(name, "b\000", 2)`}},
		{"any path", Filter{Paths: Globs{glob(t, "/**")}}, nil},
	} {
		if got := test.filter.Macros(event.Path); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// A kernel that cannot tell paths compares names in their place.
func TestMacrosWithoutPaths(t *testing.T) {
	f := Filter{Paths: Globs{glob(t, "/a/**")}, ExcludedPaths: Globs{glob(t, "/a/b")}}
	want := []string{`NAMES=has_prefix(name, "/a", 2)`, `NAMES_EXCLUDED=has_prefix(name, "/a/b\000", 5)`}
	if got := f.Macros(0); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestOf(t *testing.T) {
	named := func(name string, result int32) *event.Event {
		return &event.Event{NameKind: event.NameRead, Name: []byte(name), Result: result, Fields: event.Result}
	}
	unread := &event.Event{NameKind: event.NameBad}
	etc := Globs{glob(t, "/etc/**")}
	pathed := func(name, path string, problem event.PathProblem) *event.Event {
		return &event.Event{Name: []byte(name), Fields: event.Path, Path: event.Place{Known: []byte(path), Problem: problem}}
	}
	opened := func(path string, problem event.PathProblem) *event.Event {
		return &event.Event{Name: []byte("x"), Fields: event.File, Real: event.Place{Known: []byte(path), Problem: problem}}
	}
	failed, unseen := opened("", event.PathNone), opened("", event.PathNone)
	failed.Result, unseen.Result = -2, event.ResultUnknown
	for _, test := range []struct {
		name   string
		filter Filter
		event  *event.Event
		want   Verdict
	}{
		{"all", Filter{}, unread, Show},
		{"a path", Filter{Paths: etc}, named("/etc/x", 3), Show},
		{"another path", Filter{Paths: etc}, named("/x", 3), Drop},
		{"no name", Filter{Paths: etc}, unread, Drop},
		{"a path of a relative name", Filter{Paths: etc}, pathed("x", "/etc/x", event.PathExact), Show},
		{"another one", Filter{Paths: etc}, pathed("etc/x", "/tmp/etc/x", event.PathExact), Drop},
		{"of an absolute name in a chroot", Filter{Paths: etc}, pathed("/etc/x", "/jail/etc/x", event.PathExact), Drop},
		{"in a deleted folder", Filter{Paths: etc}, pathed("x", "/etc/gone/x", event.PathDeleted), Show},
		{"changed meanwhile", Filter{Paths: etc}, pathed("x", "x", event.PathChanged), Unsure},
		{"too deep", Filter{Paths: etc}, pathed("x", "d/x", event.PathTooDeep), Unsure},
		{"not reachable", Filter{Paths: etc}, pathed("x", "etc/x", event.PathUnreachable), Unsure},
		{"a relative pattern", Filter{Paths: Globs{glob(t, "x*")}}, pathed("x", "/y/x", event.PathExact), Show},
		{"a real path", Filter{RealPaths: etc}, opened("/etc/x", event.PathExact), Show},
		{"another one", Filter{RealPaths: etc}, opened("/x", event.PathExact), Drop},
		{"a deleted one", Filter{RealPaths: etc}, opened("/etc/x", event.PathDeletedFile), Show},
		{"a closed one", Filter{RealPaths: etc}, opened("", event.PathClosed), Unsure},
		{"none, as it failed", Filter{RealPaths: etc}, failed, Drop},
		{"one that is not told", Filter{RealPaths: etc}, opened("", event.PathNone), Unsure},
		{"one whose end was not seen", Filter{RealPaths: etc}, unseen, Unsure},
		{"on a mount that nothing shows", Filter{RealPaths: etc}, opened("x", event.PathUnreachable), Unsure},
		{"moved out of its mount", Filter{Paths: etc}, pathed("x", "x", event.PathEscaped), Unsure},
		{"a descriptor that is none", Filter{Paths: etc}, pathed("x", "x", event.PathBad), Drop},
		{"an unread name", Filter{Paths: etc}, &event.Event{NameKind: event.NameUnseen}, Unsure},
		{"an unread name and a pattern of names", Filter{Paths: Globs{glob(t, "*.conf")}}, &event.Event{NameKind: event.NameUnseen, Fields: event.Path, Path: event.Place{Problem: event.PathNoName}}, Unsure},
		{"a handle", Filter{Paths: etc}, &event.Event{NameKind: event.NameHandle, Fields: event.Path, Path: event.Place{Problem: event.PathNoName}}, Unsure},
		{"a bad address", Filter{Paths: etc}, &event.Event{NameKind: event.NameBad, Fields: event.Path, Path: event.Place{Problem: event.PathNoName}}, Drop},
		{"an unread name to exclude", Filter{ExcludedPaths: etc}, &event.Event{NameKind: event.NameUnseen}, Unsure},
		{"unread, and of another file", Filter{ExcludedPaths: etc, RealPaths: etc}, &event.Event{NameKind: event.NameUnseen, Fields: event.File, Real: event.Place{Known: []byte("/x")}}, Drop},
		{"a program that is not reachable", Filter{Exes: etc}, &event.Event{Exe: event.Place{Problem: event.PathUnreachable}}, Unsure},
		{"a program in memory alone", Filter{Exes: etc}, &event.Event{Exe: event.Place{Problem: event.PathSpecial}}, NoPath},
		{"a pipe", Filter{RealPaths: etc}, opened("", event.PathSpecial), NoPath},
		{"a path to exclude", Filter{ExcludedPaths: etc}, pathed("x", "/etc/x", event.PathExact), Drop},
		{"one that is not known", Filter{ExcludedPaths: etc}, pathed("x", "x", event.PathChanged), Unsure},
		{"excluded", Filter{ExcludedPaths: etc}, named("/etc/x", 3), Drop},
		{"not excluded", Filter{ExcludedPaths: etc}, named("/x", 3), Show},
		{"no name to exclude", Filter{ExcludedPaths: etc}, unread, Show},
		{"a comm, which the kernel compares", Filter{Comms: []string{"a"}}, unread, Show},
		{"the process's comm", Filter{Comms: []string{"x", "build"}}, &event.Event{Comm: []byte("worker"), Process: []byte("builder")}, Show},
		{"a comm", Filter{Comms: []string{"a", "b", "ash"}}, &event.Event{Comm: []byte("bash")}, Show},
		{"another comm", Filter{Comms: []string{"x", "y", "z"}}, &event.Event{Comm: []byte("bash")}, Drop},
		{"succeeded, as wanted", Filter{Success: true}, named("/x", 3), Show},
		{"failed, and not wanted", Filter{Success: true}, named("/x", -2), Drop},
		{"an error", Filter{Errnos: []syscall.Errno{syscall.EACCES, syscall.ENOENT}}, named("/x", -2), Show},
		{"another error", Filter{Errnos: []syscall.Errno{syscall.EACCES}}, named("/x", -2), Drop},
		{"no error", Filter{Errnos: []syscall.Errno{syscall.EACCES}}, named("/x", 3), Drop},
		{"an unknown result", Filter{Errnos: []syscall.Errno{syscall.EACCES}}, named("/x", event.ResultUnknown), Drop},
		{"an excluded comm", Filter{ExcludedComms: []string{"ash", "x"}}, &event.Event{Comm: []byte("bash")}, Drop},
		{"an excluded process's comm", Filter{ExcludedComms: []string{"ash", "x"}}, &event.Event{Comm: []byte("worker"), Process: []byte("bash")}, Drop},
		{"a program", Filter{Exes: etc}, &event.Event{Exe: event.Place{Known: []byte("/etc/x")}}, Show},
		{"another program", Filter{Exes: etc}, &event.Event{Exe: event.Place{Known: []byte("/x")}}, Drop},
		{"no program", Filter{Exes: etc}, &event.Event{Exe: event.Place{Problem: event.PathNone}}, Drop},
		{"failed", Filter{Failed: true}, named("/x", -2), Show},
		{"succeeded", Filter{Failed: true}, named("/x", 0), Drop},
		{"unknown", Filter{Failed: true}, named("/x", event.ResultUnknown), Drop},
	} {
		late := test.filter.Late()
		if got := late.Of(test.event); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestFields(t *testing.T) {
	f := Filter{Failed: true, Flags: []Flag{{3, 1}}}
	if got := f.Fields(); got != event.Result|event.Flags {
		t.Errorf("fields %b", got)
	}
	if got := (&Filter{PIDs: []uint32{1}}).Fields(); got != 0 {
		t.Errorf("fields %b", got)
	}
}
