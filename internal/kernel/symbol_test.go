package kernel

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// tables are the files in testdata/kallsyms: what two kernels really have, and
// what compilers would make of it.
var tables = map[string]struct {
	symbol string // of do_sys_openat2
	err    string // or a part of the error
}{
	"debian-6.1":          {symbol: "do_sys_openat2"},
	"debian-6.12":         {symbol: "do_sys_openat2"},
	"hidden-addresses":    {symbol: "do_sys_openat2"}, // kernel.kptr_restrict
	"isra":                {symbol: "do_sys_openat2.isra.0"},
	"constprop":           {symbol: "do_sys_openat2.constprop.0"},
	"constprop-isra":      {symbol: "do_sys_openat2.constprop.0.isra.1"},
	"llvm":                {symbol: "do_sys_openat2.llvm.12034952776480295413"},
	"plain-and-parts":     {symbol: "do_sys_openat2"},
	"plain-and-constprop": {err: "several copies of do_sys_openat2 (do_sys_openat2, do_sys_openat2.constprop.0)"},
	"constprop-twice":     {err: "several copies of do_sys_openat2 (do_sys_openat2.constprop.1, do_sys_openat2.constprop.0)"},
	"part-only":           {err: "no function do_sys_openat2"},
	"cold-only":           {err: "no function do_sys_openat2"},
	"module-only":         {err: "no function do_sys_openat2"},
	"look-alikes":         {err: "no function do_sys_openat2"},
	"before-5.6":          {err: "no function do_sys_openat2"},
	"empty":               {err: "no function do_sys_openat2"},
}

func TestFindSymbol(t *testing.T) {
	files, err := os.ReadDir("testdata/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(tables) {
		t.Errorf("%d files for %d tests", len(files), len(tables))
	}
	for name, want := range tables {
		t.Run(name, func(t *testing.T) {
			file, err := os.Open(filepath.Join("testdata/kallsyms", name))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			symbol, err := FindSymbol(file, "do_sys_openat2")
			if symbol != want.symbol || (err == nil) != (want.err == "") || err != nil && !strings.Contains(err.Error(), want.err) {
				t.Errorf("got %q, error %v", symbol, err)
			}
		})
	}
}

func TestFindSymbolOfOlderKernels(t *testing.T) {
	file, err := os.Open("testdata/kallsyms/before-5.6")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if symbol, err := FindSymbol(file, "do_sys_open"); symbol != "do_sys_open" || err != nil {
		t.Errorf("got %q, error %v", symbol, err)
	}
}

// A table of which a part is unread may lack a copy.
func TestFindSymbolFailsWithItsReader(t *testing.T) {
	broken := errors.New("broken")
	table := io.MultiReader(strings.NewReader("ffffffff816b7430 t do_sys_openat2\n"), iotest.ErrReader(broken))
	if symbol, err := FindSymbol(table, "do_sys_openat2"); symbol != "" || !errors.Is(err, broken) {
		t.Errorf("got %q, error %v", symbol, err)
	}
}

// FuzzFindSymbol checks that what is found is in the table, as a function, and
// is a whole copy.
func FuzzFindSymbol(f *testing.F) {
	for name := range tables {
		table, err := os.ReadFile(filepath.Join("testdata/kallsyms", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(table, "do_sys_openat2")
	}
	f.Add([]byte("0 t a.b\n0 T a.b.isra.1\n"), "a.b")
	f.Add([]byte("0 t (\r\n\x00"), "(")
	f.Add([]byte("0 t .isra.0\n"), "")
	f.Fuzz(func(t *testing.T, table []byte, name string) {
		symbol, err := FindSymbol(bytes.NewReader(table), name)
		if (symbol == "") == (err == nil) {
			t.Fatalf("got %q, error %v", symbol, err)
		}
		if err != nil {
			return
		}
		suffix, ok := strings.CutPrefix(symbol, name)
		if !ok || strings.Contains(suffix, ".part") || strings.Contains(suffix, ".cold") || suffix != "" && suffix[0] != '.' {
			t.Errorf("%q found for %q", symbol, name)
		}
		inTable := slices.ContainsFunc(strings.Split(string(table), "\n"), func(line string) bool {
			fields := strings.Fields(line)
			return len(fields) == 3 && (fields[1] == "t" || fields[1] == "T") && fields[2] == symbol
		})
		if !inTable {
			t.Errorf("%q is not a function of the table", symbol)
		}
	})
}
