package compare

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/format"
	"opensnoop/internal/record"
)

// open is an open of a test recording.
type open struct {
	program, path string
	real          string // where path leads to; "" for path
	result        int32
	flags         uint64
	exec, created bool
	lookup        event.Lookup
}

// recording returns opens as a recording of them has them.
func recording(t testing.TB, opens []open) *record.Reader {
	t.Helper()
	columns := []*format.Column{}
	for _, name := range []string{"wall", "pid", "fd", "err", "flags", "comm", "path", "realpath", "exe", "created", "file", "op"} {
		columns = append(columns, format.Find(name))
	}
	var b bytes.Buffer
	s := record.New(&b, "run")
	w := format.NewJSON(&b, format.Options{Columns: columns, Begin: s.AppendSeq, Short: true})
	err := s.Start(record.Start{Columns: strings.Split(format.Names(columns), ",")})
	for _, o := range opens {
		e := event.Event{
			Comm: []byte(filepath.Base(o.program)), Name: []byte(o.path), Result: o.result, Flags: o.flags, Exec: o.exec, Created: o.created, Lookup: o.lookup,
			Fields: event.Result | event.Flags | event.Path | event.Exe | event.File,
			Path:   event.Place{Known: []byte(o.path)}, Exe: event.Place{Known: []byte(o.program)}, Real: event.Place{Known: []byte(o.path)},
		}
		if o.real != "" {
			e.Real.Known = []byte(o.real)
		}
		if o.result < 0 {
			e.Real = event.Place{Problem: event.PathNone}
		}
		err = errors.Join(err, w.Event(&e))
	}
	if err := errors.Join(err, w.Flush(), s.End(record.Lost{})); err != nil {
		t.Fatal(err)
	}
	in, err := record.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// written returns a recording of rows that are written by hand.
func written(t testing.TB, rows string) *record.Reader {
	t.Helper()
	const start = `{"record":"start","run":"r","time":"2026-11-30T12:00:00Z","rows":0,"format":1,"version":"v","lost":{},"doubtful":0}`
	in, err := record.NewReader(strings.NewReader(start + "\n" + rows + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

const missing = -int32(unix.ENOENT)

func TestDiff(t *testing.T) {
	exclusive := uint64(unix.O_CREAT | unix.O_EXCL | unix.O_RDWR)
	a := []open{
		{program: "/usr/bin/make", path: "/src/Makefile", result: 3},
		{program: "/usr/bin/make", path: "/src/config.mk", result: 3},
		{program: "/usr/bin/make", path: "/src/config.mk", result: missing},
		{program: "/usr/bin/make", path: "/proc/4711/stat", result: 3},
		{program: "/usr/bin/cc1", path: "/tmp/ccAbCdEf.s", result: 3, flags: exclusive, created: true},
		{program: "/usr/bin/as", path: "/tmp/ccAbCdEf.s", result: 3},
		{program: "/usr/bin/as", path: "/tmp/tmp.aB3dE6gH1k/x", result: 3},
		{program: "/usr/bin/cat", path: "/home/a/notes", result: 3},
		{program: "/usr/bin/cat", path: "/only/a\x1b[2J", result: 3},
		{program: "/usr/bin/cat", path: "/ignored/a", result: 3},
		{program: "/usr/bin/touch", path: "/src/lock", result: 3, flags: exclusive, created: true},
	}
	b := []open{
		{program: "/usr/bin/make", path: "/src/Makefile", result: 4},
		{program: "/usr/bin/make", path: "/src/config.mk", result: missing},
		{program: "/usr/bin/make", path: "/proc/5/stat", result: 3},
		{program: "/usr/bin/cc1", path: "/tmp/ccXyZ123.s", result: 3, flags: exclusive, created: true},
		{program: "/usr/bin/as", path: "/tmp/ccXyZ123.s", result: 3},
		{program: "/usr/bin/as", path: "/tmp/tmp.Zz9yX8wV7u/x", result: 3},
		{program: "/usr/bin/cat", path: "/home/b/notes", result: 3},
		{program: "/usr/bin/true", path: "/usr/bin/true", result: 0, exec: true},
		{program: "/usr/bin/touch", path: "/src/lock", result: 3, flags: exclusive, created: true},
	}
	for i := range 10 {
		b = append(b, open{program: "/usr/bin/cc1", path: "/usr/include/x/" + string(rune('a'+i)), result: 3})
	}
	ignored, err := filter.ParseGlob("/ignored/**")
	if err != nil {
		t.Fatal(err)
	}
	o := DiffOptions{Map: []Mapping{{"/home/a", "/home/b"}}, Ignore: filter.Globs{ignored}}
	d, err := NewDiff(recording(t, a), recording(t, b), o)
	if err != nil {
		t.Fatal(err)
	}
	text := table(t, d)
	const want = `  PROGRAM          A            B            PATH
- cat              read         -            /only/a\x1b[2J
+ cc1              -            read         /usr/include/x/ (10 files; --all names them)
! make             ENOENT,read  ENOENT       /src/config.mk
+ true             -            exec         /usr/bin/true
`
	if text != want || !d.Differ() {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	same, err := NewDiff(recording(t, a), recording(t, a), DiffOptions{NoMask: true})
	if err != nil || same.Differ() || table(t, same) != "" {
		t.Errorf("a recording differs from itself: %v, %v", table(t, same), err)
	}
	raw, err := NewDiff(recording(t, a), recording(t, b), DiffOptions{NoMask: true, All: true})
	if err != nil || strings.Count(table(t, raw), "\n") != 1+4+9+8+2+1 {
		t.Errorf("without masks, %v: %s", err, table(t, raw))
	}
}

// A name that a recording calls a path, though it is none, steers no terminal either.
func TestDiffOfNoPath(t *testing.T) {
	evil := written(t, `{"seq":0,"fd":3,"errno":0,"flags":0,"comm":"x","path":"\u001b[2Jrel\u009b31m\nx: injected","exe":"/bin/x"}`)
	d, err := NewDiff(evil, recording(t, nil), DiffOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if text := table(t, d); !strings.HasSuffix(text, ` \x1b[2Jrel\xc2\x9b31m\nx: injected`+"\n") {
		t.Errorf("got %q", text)
	}
}

// table is what a difference is written as.
func table(t *testing.T, d *Diff) string {
	t.Helper()
	var text strings.Builder
	if err := d.Write(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestMaskTemporary(t *testing.T) {
	exclusive := uint64(unix.O_CREAT | unix.O_EXCL | unix.O_RDWR)
	run := func(names ...string) *record.Reader {
		var opens []open
		for _, name := range names {
			opens = append(opens, open{program: "/bin/x", path: name, result: 3, flags: exclusive, created: true})
		}
		return recording(t, opens)
	}
	python := open{program: "/bin/x", path: "/tmp/tmpabcdefgh/data", result: 3}
	other := python
	other.path = "/tmp/tmpqrstuv_x/data"
	goRun := func(n string) *record.Reader {
		main := "/tmp/go-build" + n + "/b001/exe/main"
		return recording(t, []open{{program: main, path: main, result: 0, exec: true}, {program: main, path: "/etc/passwd", result: 3}})
	}
	for name, runs := range map[string][2]*record.Reader{
		"go run":             {goRun("123"), goRun("3482711904")},
		"mktemp in a folder": {run("/home/a/tmp.aB3dE6gH1k"), run("/home/a/tmp.Zz9yX8wV7u")},
		"mkstemps":           {run("/src/ccabcdef.s", "/src/kept.s"), run("/src/ccqrstuv.s", "/src/kept.s")},
		"Python, all of one": {recording(t, []open{python}), recording(t, []open{other})},
	} {
		if d, err := NewDiff(runs[0], runs[1], DiffOptions{}); err != nil || d.Differ() {
			t.Errorf("%s: %v, %s", name, err, table(t, d))
		}
	}
}

func TestMaskProcess(t *testing.T) {
	for path, want := range map[string]string{
		"/proc/4711":                "/proc/*",
		"/proc/4711/task/4712/comm": "/proc/*/task/*/comm",
		"/proc/self/task/12/stat":   "/proc/self/task/*/stat",
		"/proc/sys/kernel/1":        "/proc/sys/kernel/1",
		"/srv/proc/12":              "/srv/proc/12",
		"/proc/":                    "/proc/",
	} {
		if got := string(maskProcess([]byte(path))); got != want {
			t.Errorf("%s becomes %s, want %s", path, got, want)
		}
	}
}

func TestMissing(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	in := recording(t, []open{
		{program: "/bin/app", path: "/usr/lib/libx.so", result: missing},
		{program: "/bin/app", path: dir + "/none/app.toml", result: missing},
		{program: "/bin/app", path: dir + "/none/app.toml", result: missing},
		{program: "/bin/app", path: dir + "/app.toml", result: missing},
		{program: "/bin/app", path: "/lib/libx.so", result: 3},
		{program: "/bin/app", path: "/other/libx.so", result: missing}, // it has one already
		{program: "/bin/other", path: "/fine", result: 3},
		{program: "/bin/other", path: "/no/link", result: -int32(unix.EINVAL), lookup: event.ReadLink},
		{program: "/bin/other", path: "/lock", result: -int32(unix.EEXIST), flags: unix.O_CREAT | unix.O_EXCL},
	})
	search, err := Missing(in)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := search.Write(&text, MissingOptions{Explain: true}); err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(`app: app.toml not found in 2 places:
    ENOENT  DIR/none/app.toml: there is no DIR/none
    ENOENT  DIR/app.toml
app: libx.so found: /lib/libx.so, after 1 other place
1 not found, 1 found later.
`, "DIR", dir)
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
}

func TestWhoIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(dir+"/private", 0o700), os.WriteFile(dir+"/private/x", nil, 0o644), os.WriteFile(dir+"/y", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	// Every folder above must let the user in.
	for d := filepath.Dir(dir); d != "/"; d = filepath.Dir(d) {
		if st, err := os.Stat(d); err != nil || st.Mode().Perm()&1 == 0 {
			if err := os.Chmod(d, st.Mode().Perm()|1); err != nil {
				t.Skip("NOT TESTED: ", err)
			}
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	const stranger = 64230
	if got := firstRefusing(dir+"/private/x", stranger); !strings.Contains(got, "may not enter "+dir+"/private (drwx------") {
		t.Errorf("got %q", got)
	}
	if got := firstRefusing(dir+"/y", stranger); !strings.Contains(got, "may not read it (-rw-------") {
		t.Errorf("got %q", got)
	}
	if got := firstRefusing(dir+"/y", 0); got != "" {
		t.Errorf("root is refused: %q", got)
	}
}

func TestNeeded(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.Mkdir(dir+"/real", 0o755), os.Symlink("real", dir+"/link"),
		os.WriteFile(dir+"/real/lib.1", nil, 0o644), os.Symlink("lib.1", dir+"/real/lib"),
		os.WriteFile(dir+"/script", []byte("#!"+dir+"/real/lib.1 -x\n"), 0o755),
		os.Symlink("loop", dir+"/loop"), os.Symlink("/proc/mounts", dir+"/mtab"),
	); err != nil {
		t.Fatal(err)
	}
	files, err := Needed(recording(t, []open{
		{program: "/bin/x", path: dir + "/script", result: 0, exec: true},
		{program: "/bin/x", path: dir + "/link/lib", result: 3},
		{program: "/bin/x", path: dir + "/made", result: 3, flags: unix.O_CREAT | unix.O_RDWR, created: true},
		{program: "/bin/x", path: dir + "/made", result: 3},
		{program: "/bin/x", path: dir + "/written", result: 3, flags: unix.O_WRONLY | unix.O_TRUNC},
		{program: "/bin/x", path: dir + "/written", result: 3},
		{program: "/bin/x", path: dir, result: 3, flags: unix.O_DIRECTORY},
		{program: "/bin/x", path: "/proc/self/maps", result: 3},
		{program: "/bin/x", path: dir + "/none", result: missing},
		{program: "/bin/x", path: dir + "/loop", result: 3},
		{program: "/bin/x", path: dir + "/mtab", real: "/proc/4711/mounts", result: 3},
		{program: "/bin/x", path: dir + "/link/made", real: dir + "/made", result: 3},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{dir + "/script", dir + "/link/lib", dir + "/loop", dir + "/mtab", dir + "/link/made"}; !slices.Equal(files.Read, want) {
		t.Errorf("read %v, want %v", files.Read, want)
	}
	if got := files.Recorded(); !slices.Equal(got, files.Read) {
		t.Errorf("recorded %v, want what was read", got)
	}
	got := files.WithLinks()
	want := []string{dir + "/script", dir + "/link", dir + "/real/lib", dir + "/real/lib.1", dir + "/loop", dir + "/mtab"}
	if !slices.Equal(got, want) {
		t.Errorf("with links %v, want %v", got, want)
	}
}

// What make reads of a depfile are the files, whatever their names.
func TestDepfile(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"x=y", "a b", "p$q", "h#h", "c:d", "st*r", "st4r", "q?", "[a]", "a%b", "caf\xe9", "~x", "a,b", "'", "&"} {
		files = append(files, dir+"/"+name)
	}
	bad := []string{dir + "/a;touch b", dir + "/a\n\ttouch b", dir + "/a\x1b[2J", dir + "/a|b", dir + "/a(b)", dir + `/a\`, dir + "/a\u009b31m", dir + "/a\x9b31m", dir + "/a\u202eb"}
	for _, file := range slices.Concat(files, bad) {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rule, left := Depfile("a% b.o", slices.Concat(files, bad))
	if left != len(bad) {
		t.Errorf("%d files are left out, want %d", left, len(bad))
	}
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("NOT TESTED: ", err)
	}
	makefile := dir + "/makefile"
	if err := os.WriteFile(makefile, []byte("all: a%\\ b.o\n"+rule), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command("make", "-C", dir, "-f", makefile, "-n", "-d").Output() // there is no recipe
	for _, file := range files {
		if !strings.Contains(string(out), "'"+file+"'") {
			t.Errorf("make does not know %s of\n%s", file, rule)
		}
	}
	if n := strings.Count(string(out), "Finished prerequisites of target file '"+dir); n != len(files)+1 { // and the makefile
		t.Errorf("make knows %d files, want %d, of\n%s", n, len(files)+1, rule)
	}
}
