package summary

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"opensnoop/internal/event"
)

// summaryJSON is what WriteJSON writes by default.
type summaryJSON struct {
	countsJSON
	Unknown        *uint64       `json:"unknown_results"`
	Files          []fileJSON    `json:"files"`
	OtherFiles     countsJSON    `json:"other_files"`
	Processes      []processJSON `json:"processes"`
	OtherProcesses countsJSON    `json:"other_processes"`
}

var update = flag.Bool("update", false, "write the golden files anew")

func open(pid uint32, comm, name string, result int32) *event.Event {
	return &event.Event{TGID: pid, TID: pid, Comm: []byte(comm), Name: []byte(name), Fields: event.Result, Result: result}
}

func unreadable(kind event.NameKind, address uint64) *event.Event {
	e := open(4194304, "odd", "", -14)
	e.NameKind, e.Address = kind, address
	return e
}

// sample adds opens of all kinds, of 7 files by 4 processes.
func sample(s *Summary) {
	for range 50 {
		s.Add(open(1, "systemd", "/proc/self/stat", 3))
	}
	for i := range 25 {
		s.Add(open(20, "cat", "/etc/passwd", int32(i%2*-2)))
	}
	for range 10 {
		s.Add(open(20, "\x1b[2Jcat\xff", "caf\xe9\n\\ \xe2\x80\xae ", -2))
	}
	s.Add(open(300, "sh", "/z", event.ResultUnknown))
	s.Add(open(300, "sh", "/a", 3))
	s.Add(open(300, "sh", "", -2))
	s.Add(unreadable(event.NameBad, 0))
	s.Add(unreadable(event.NameBad, 1))
	s.Add(unreadable(event.NameUnseen, 2))
}

func TestGolden(t *testing.T) {
	for name, test := range map[string]struct {
		o    Options
		json bool
		add  func(*Summary)
	}{
		"table":           {Options{Results: true}, false, sample},
		"table-top":       {Options{Results: true, Top: 2}, false, sample},
		"table-noresults": {Options{Top: 3}, false, sample},
		"table-color":     {Options{Results: true, Top: 3, Color: true}, false, sample},
		"table-dropped":   {Options{Results: true, Keys: 3}, false, sample},
		"table-empty":     {Options{Results: true}, false, func(*Summary) {}},
		"json":            {Options{Results: true}, true, sample},
		"json-top":        {Options{Results: true, Top: 2}, true, sample},
		"json-noresults":  {Options{Top: 1}, true, sample},
		"json-dropped":    {Options{Results: true, Keys: 3}, true, sample},
		"json-empty":      {Options{}, true, func(*Summary) {}},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(test.o)
			test.add(s)
			write := s.writeTable
			if test.json {
				write = func(w io.Writer) error { return s.WriteJSON(w, Period{Lost: 7}, nil) }
			}
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			golden(t, name, got.Bytes())
		})
	}
}

// read returns a summary's JSON as a decoder reads it.
func read(t *testing.T, s *Summary) summaryJSON {
	t.Helper()
	var b bytes.Buffer
	if err := s.WriteJSON(&b, Period{}, nil); err != nil {
		t.Fatal(err)
	}
	if bytes.Count(b.Bytes(), []byte("\n")) != 1 {
		t.Errorf("%q is not one line", b.Bytes())
	}
	var object summaryJSON
	if err := json.Unmarshal(b.Bytes(), &object); err != nil {
		t.Fatalf("%q: %v", b.Bytes(), err)
	}
	return object
}

// The rows and the others are all opens added, whatever was dropped between.
func TestNothingIsUncounted(t *testing.T) {
	for _, keys := range []int{1, 2, 3, 10, 1000} {
		s := New(Options{Top: 5, Keys: keys, Results: true})
		for i := range 5000 {
			s.Add(open(uint32(i*i%77), "c", fmt.Sprint(i*i%331), int32(i%3-1)))
			if len(s.tallies[0].entries) > keys || len(s.tallies[1].entries) > keys {
				t.Fatalf("%d files and %d processes held, want at most %d", len(s.tallies[0].entries), len(s.tallies[1].entries), keys)
			}
		}
		object := read(t, s)
		if object.Opens != 5000 || *object.Failed != 1667 {
			t.Errorf("%d opens, %d failed; want 5000, 1667", object.Opens, *object.Failed)
		}
		opens, failed := object.OtherFiles.Opens, *object.OtherFiles.Failed
		for _, file := range object.Files {
			opens, failed = opens+file.Opens, failed+*file.Failed
		}
		if opens != 5000 || failed != 1667 {
			t.Errorf("%d keys: %d opens of files, %d failed; want 5000, 1667", keys, opens, failed)
		}
		opens, failed = object.OtherProcesses.Opens, *object.OtherProcesses.Failed
		for _, process := range object.Processes {
			opens, failed = opens+process.Opens, failed+*process.Failed
		}
		if opens != 5000 || failed != 1667 {
			t.Errorf("%d keys: %d opens of processes, %d failed; want 5000, 1667", keys, opens, failed)
		}
	}
}

// What is opened often stays, with its exact count, while names that come once each
// push each other out.
func TestFrequentStay(t *testing.T) {
	s := New(Options{Keys: 100})
	for i := range 100000 {
		s.Add(open(1, "once", fmt.Sprint("/tmp/", i), 0))
		if i%100 == 0 {
			s.Add(open(2, "often", "/often", 0))
		}
	}
	object := read(t, s)
	if first := object.Files[0]; string(first.File) != `"/often"` || first.Opens != 1000 || first.AtLeast {
		t.Errorf("the most opened file is %s with %d opens, at least: %v; want /often with 1000", first.File, first.Opens, first.AtLeast)
	}
	for _, file := range object.Files[1:] {
		if file.Opens != 1 {
			t.Errorf("%s has %d opens, want 1", file.File, file.Opens)
		}
	}
}

// A count that is not marked is exact, and one that is marked is no more than what
// was added.
func TestMarks(t *testing.T) {
	added, marked := map[string]uint64{}, 0
	s := New(Options{Keys: 8, Top: 8})
	for i := range 1000 {
		name := fmt.Sprint("/", i*i%37)
		added[name]++
		s.Add(open(1, "c", name, 0))
		for _, file := range read(t, s).Files {
			want := added[strings.Trim(string(file.File), `"`)]
			if file.Opens > want || !file.AtLeast && file.Opens != want {
				t.Fatalf("%s has %d opens, at least: %v; %d were added", file.File, file.Opens, file.AtLeast, want)
			}
			if file.Opens < want {
				marked++
			}
		}
	}
	if marked == 0 {
		t.Error("no count was too low: nothing was tested")
	}
}

// Long names do not take more memory than the bound on them all.
func TestBytesAreBounded(t *testing.T) {
	s := New(Options{Keys: 64})
	for i := range 1000 {
		s.Add(open(1, "c", fmt.Sprintf("%04000d", i), 0))
		held := 0
		for key := range s.tallies[0].entries {
			held += len(key)
		}
		if held != s.tallies[0].size || held > 64*keyMean {
			t.Fatalf("names of %d bytes held, counted as %d, want at most %d", held, s.tallies[0].size, 64*keyMean)
		}
	}
}

// DefaultKeys says how much memory is used at most.
func TestMemory(t *testing.T) {
	for _, test := range []struct {
		name string
		size int // of a file's name
		most uint64
	}{
		{"usual names", 60, 8 << 20},
		{"the longest names", keyMean - 1, 16 << 20},
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := New(Options{})
		for i := range 4 * DefaultKeys {
			s.Add(open(uint32(i), "fifteen chars..", fmt.Sprintf("%0*d", test.size, i), 0))
		}
		for i := range DefaultKeys { // full
			s.Add(open(uint32(i), "fifteen chars..", fmt.Sprintf("%0*d", test.size, i), 0))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		used := after.HeapAlloc - before.HeapAlloc
		t.Logf("%s: %d KiB for %d files and %d processes", test.name, used>>10, len(s.tallies[0].entries), len(s.tallies[1].entries))
		if used > test.most {
			t.Errorf("%s: %d bytes, want at most %d", test.name, used, test.most)
		}
		runtime.KeepAlive(s)
	}
}

func TestOrder(t *testing.T) {
	names := []string{"/b", "/a", "/c", "\xff", "/d"}
	var want []byte
	for range 20 {
		s := New(Options{})
		for _, name := range names {
			s.Add(open(uint32(name[1%len(name)]), "c", name, 0))
		}
		s.Add(open(9, "c", "/c", 0))
		s.Add(open(256, "c", "/c", 0))
		var got bytes.Buffer
		if err := s.writeTable(&got); err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got.Bytes()
			var files []string
			for line := range strings.Lines(got.String()) {
				if fields := strings.Fields(line); len(fields) > 0 && strings.HasPrefix(fields[len(fields)-1], "/") {
					files = append(files, fields[len(fields)-1])
				}
			}
			if !slices.Equal(files, []string{"/c", "/a", "/b", "/d"}) {
				t.Errorf("files in the order %q", files)
			}
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("the same opens as\n%s\nand as\n%s", want, got.Bytes())
		}
		slices.Reverse(names)
	}
}

func TestReset(t *testing.T) {
	s := New(Options{Results: true, Keys: 3})
	sample(s)
	s.Reset()
	if got, want := read(t, s), read(t, New(Options{Results: true})); !reflect.DeepEqual(got, want) {
		t.Errorf("after Reset: %+v, want %+v", got, want)
	}
	sample(s)
	again := New(Options{Results: true, Keys: 3})
	sample(again)
	if got, want := read(t, s), read(t, again); !reflect.DeepEqual(got, want) {
		t.Errorf("the same opens after Reset: %+v, want %+v", got, want)
	}
}

func TestBar(t *testing.T) {
	for _, test := range []struct {
		share float64
		want  string
	}{
		{0, ""}, {0.001, ""}, {0.0125, "▏"}, {0.05, "▌"}, {0.0875, "▉"}, {0.1, "█"}, {0.5, "█████"}, {1, "██████████"},
	} {
		if got := bar(test.share); got != test.want {
			t.Errorf("bar(%v) = %q, want %q", test.share, got, test.want)
		}
	}
}

func TestAddDoesNotAllocate(t *testing.T) {
	s := New(Options{})
	e := open(1, "cat", "/etc/passwd", 3)
	if n := testing.AllocsPerRun(1000, func() { s.Add(e) }); n != 0 {
		t.Errorf("%v allocations for an open of a file and process that are known", n)
	}
}

// Whatever the bytes, the JSON is valid and has them exactly, and the table has a
// line for each row.
func FuzzBytes(f *testing.F) {
	f.Add([]byte("/etc/passwd"), []byte("cat"))
	f.Add([]byte("\n\xff\x1b[2J \\"), []byte("\x80\"\n"))
	f.Add([]byte(""), []byte(""))
	f.Fuzz(func(t *testing.T, name, comm []byte) {
		s := New(Options{})
		s.Add(open(1, string(comm), string(name), 0))
		object := read(t, s)
		for _, field := range []struct {
			plain      json.RawMessage
			exact, raw []byte
		}{
			{object.Files[0].File, object.Files[0].Base64, name},
			{object.Processes[0].Comm, object.Processes[0].Base64, comm},
		} {
			var got string
			if err := json.Unmarshal(field.plain, &got); err != nil {
				t.Fatal(err)
			}
			if field.exact != nil {
				got = string(field.exact)
			}
			if got != string(field.raw) {
				t.Errorf("%q came out as %q", field.raw, got)
			}
		}
		var table bytes.Buffer
		if err := s.writeTable(&table); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(table.String(), "\n"); n != 7 {
			t.Errorf("%d lines, want 7:\n%s", n, table.Bytes())
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	s := New(Options{})
	e := open(1, "cat", "/etc/passwd", 3)
	b.ReportAllocs()
	for b.Loop() {
		s.Add(e)
	}
}
