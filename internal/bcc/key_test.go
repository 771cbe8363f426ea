package bcc

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"opensnoop/internal/cache"
	"opensnoop/internal/kernel"
)

func TestCacheServes(t *testing.T) {
	c := compiler(t)
	src := countingSource()
	if r, err := c.Lookup(src); err != nil || r.Cached || r.Why != "" {
		t.Errorf("before: %+v, error %v", r, err)
	}
	first := mustCompile(t, c, src)
	for range 2 {
		if err := c.Keep(first); err != nil {
			t.Fatal(err)
		}
	}
	second := mustCompile(t, c, src)
	if !second.Cached || !reflect.DeepEqual(second.Object, first.Object) {
		t.Errorf("the second time: %+v", second)
	}
	if r, err := c.Lookup(src); err != nil || !r.Cached || r.Stale {
		t.Errorf("after: %+v, error %v", r, err)
	}
	without := *c
	without.Cache = nil
	r := mustCompile(t, &without, src)
	if r.Cached || without.Keep(r) != nil {
		t.Errorf("without a cache: %+v", r)
	}
}

func TestKey(t *testing.T) {
	type request struct {
		Source
		Compiler
		headers fstest.MapFS
	}
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	base := func() *request {
		return &request{
			Source:   Source{Code: "code", Flags: []string{"-DA", "-DB"}, Arch: "x86"},
			Compiler: Compiler{Version: 1},
			headers:  fstest.MapFS{"a": file("b"), "c": file("d")},
		}
	}
	release := kernel.Release{Name: "6.1", Build: "#1", Machine: "x86_64"}
	key := func(r *request) string {
		r.Headers = r.headers
		key, err := r.key(r.Source, release)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	if first, second := key(base()), key(base()); first != second {
		t.Errorf("one request has the keys %s and %s", first, second)
	}
	for name, change := range map[string]func(r *request){
		"code":           func(r *request) { r.Code = "Code" },
		"header":         func(r *request) { r.headers["a"] = file("B") },
		"header's name":  func(r *request) { r.headers = fstest.MapFS{"ab": file(""), "c": file("d")} },
		"one header":     func(r *request) { delete(r.headers, "a") },
		"flag":           func(r *request) { r.Flags[1] = "-DC" },
		"joined flags":   func(r *request) { r.Flags = []string{"-DA-DB"} },
		"order of flags": func(r *request) { slices.Reverse(r.Flags) },
		"architecture":   func(r *request) { r.Arch = "arm64" },
		"version":        func(r *request) { r.Version = 2 },
		"helper":         func(r *request) { r.ProbeReadUser = true },
		"release":        func(*request) { release.Name = "6.2" },
		"build":          func(*request) { release.Build = "#2" },
		"machine":        func(*request) { release.Machine = "aarch64" },
		"library path":   func(*request) { t.Setenv(libraryPath, "/somewhere") },
	} {
		before := key(base())
		r := base()
		change(r)
		if key(r) == before {
			t.Errorf("%s: the key does not depend on it", name)
		}
	}
}

func TestChangedLibraries(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lib.so")
	if err := os.WriteFile(file, []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	was, err := libraryAt(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := changed([]library{was}); err != nil {
		t.Error(err)
	}
	if changed(nil) == nil {
		t.Error("no libraries: no error")
	}
	if err := errors.Join(os.WriteFile(file+"2", []byte("1"), 0o644), os.Rename(file+"2", file)); err != nil {
		t.Fatal(err)
	}
	if err := changed([]library{was}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("replaced: error %v", err)
	}
	os.Remove(file)
	if changed([]library{was}) == nil {
		t.Error("removed: no error")
	}
}

func TestStaleObjectIsCompiledAnew(t *testing.T) {
	c := compiler(t)
	src := countingSource()
	first := mustCompile(t, c, src)
	var rep reply
	if err := json.Unmarshal(first.data, &rep); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range rep.Libraries {
		names = append(names, filepath.Base(rep.Libraries[i].Path))
		if strings.HasPrefix(names[i], "libbcc") {
			rep.Libraries[i].Mtime--
		}
	}
	for _, want := range []string{"libbcc.so", "libLLVM", "ld.so.cache"} {
		if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, want) }) {
			t.Errorf("%s is not one of the libraries %q", want, names)
		}
	}
	var err error
	if first.data, err = json.Marshal(rep); err != nil {
		t.Fatal(err)
	}
	if err := c.Keep(first); err != nil {
		t.Fatal(err)
	}
	again := mustCompile(t, c, src)
	if again.Cached || !strings.Contains(again.Why, "libbcc") {
		t.Errorf("after an upgrade: %+v", again)
	}
	if err := c.Keep(again); err != nil {
		t.Fatal(err)
	}
	if last := mustCompile(t, c, src); !last.Cached {
		t.Errorf("after that: %+v", last)
	}
}

func TestUselessEntry(t *testing.T) {
	for _, entry := range []string{"", "{", "{}", `{"Object":{"Programs":[{"Name":"a","Instructions":"AA=="}]}}`} {
		c := compiler(t)
		r, err := c.Lookup(countingSource())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Cache.Put(r.key, []byte(entry)); err != nil {
			t.Fatal(err)
		}
		if r := mustCompile(t, c, countingSource()); r.Cached || r.Why == "" {
			t.Errorf("%q: %+v", entry, r)
		}
	}
}

func TestCacheThatKeepsNothing(t *testing.T) {
	c := compiler(t)
	c.Cache = cache.None("for a reason")
	r := mustCompile(t, c, countingSource())
	if r.Cached || r.Why != "for a reason" {
		t.Errorf("%+v", r)
	}
	if err := c.Keep(r); err == nil {
		t.Error("no error")
	}
}
