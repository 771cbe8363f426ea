package doctor

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"opensnoop/internal/bcc"
)

// libbccFile and llvmFile are the names that the libraries have on disk:
// libbcc.so.0.26.0, libLLVM-14.so.1, libLLVM.so.18.1.
var (
	libbccFile = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^libbcc\.so\.([0-9.]+)$`) })
	llvmFile   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^libLLVM(?:-([0-9.]+)\.so.*|\.so\.([0-9.]+))$`) })
)

const librariesName = "libbcc and LLVM"

// libraries tells which libbcc and LLVM compile, by the files that the compiler process
// consists of.
func libraries(compiler Compiler) Check {
	c := Check{Name: librariesName, Status: OK}
	switch {
	case errors.Is(compiler.Err, bcc.ErrNoLibrary):
		c.Status = Warn
		c.Found = "not installed"
		c.Meaning = "only what is in the cache can be run; with other flags than before, opensnoop does not start"
		c.Remedy = "install libbcc: the package is libbpfcc on Debian and Ubuntu, bcc elsewhere"
		c.errorText = bcc.ErrNoLibrary.Error()
		return c
	case compiler.Err != nil:
		c.Status = Warn
		c.Found = fmt.Sprintf("unknown: %v", compiler.Err)
		c.Meaning = "only what is in the cache can be run"
		c.Remedy = "see what it says"
		c.errorText = compiler.Err.Error()
		return c
	}
	var libbcc, llvm []string
	add := func(to *[]string, version string) {
		if version != "" && !slices.Contains(*to, version) {
			*to = append(*to, version)
		}
	}
	for _, file := range compiler.Libraries {
		name := path.Base(file)
		if m := libbccFile().FindStringSubmatch(name); m != nil {
			add(&libbcc, m[1])
		}
		if m := llvmFile().FindStringSubmatch(name); m != nil {
			add(&llvm, m[1]+m[2])
		}
	}
	version := func(versions []string) string {
		if versions == nil {
			return "of unknown version, built in"
		}
		return strings.Join(versions, " and ")
	}
	c.Found = fmt.Sprintf("libbcc %s, LLVM %s", version(libbcc), version(llvm))
	if len(llvm) > 1 || len(libbcc) > 1 {
		c.Status = Warn
		c.Meaning = "two versions of one library in a process garble each other; compiling may fail or crash"
		c.Remedy = "remove the copy that your distribution did not install (see ldd), or LD_LIBRARY_PATH"
	}
	return c
}

// compileCache tells whether the next start finds its program compiled, and where.
func compileCache(compiler Compiler) Check {
	c := Check{Name: "compile cache", Status: OK}
	where := "none"
	if compiler.CachePath != "" {
		where = compiler.CachePath
	}
	switch r := compiler.Lookup; {
	case r == nil:
		c.Found = where + ": not looked at without the rights to trace"
	case r.Stale && errors.Is(compiler.Err, bcc.ErrNoLibrary):
		c.Found = fmt.Sprintf("%s: hit for the default columns, although %s: there is no libbcc to compile with", where, r.Why)
	case r.Stale:
		c.Found = fmt.Sprintf("%s: miss for the default columns: %s", where, r.Why)
	case r.Cached:
		c.Found = where + ": hit for the default columns"
	case r.Why != "":
		c.Found = fmt.Sprintf("%s: miss for the default columns: %s", where, r.Why)
	default:
		c.Found = where + ": miss for the default columns"
	}
	return c
}

// headers tells where kernel headers are. BCC's own tools do not start without.
func headers(root fs.FS, release string) Check {
	c := Check{Name: "kernel headers", Status: OK}
	var found []string
	for _, place := range []string{"lib/modules/" + release + "/build", "sys/kernel/kheaders.tar.xz"} {
		if _, err := fs.Stat(root, place); err == nil {
			found = append(found, "/"+place)
		}
	}
	if found == nil {
		c.Found = "none; opensnoop does not need them"
	} else {
		c.Found = strings.Join(found, ", ") + "; opensnoop does not need them"
	}
	return c
}

// tracefs tells where tracefs is mounted. Since Linux 4.17 neither probe needs it.
func tracefs(root fs.FS) Check {
	c := Check{Name: "tracefs", Status: OK}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		c.Found = fmt.Sprintf("unknown: %v; opensnoop does not need it", err)
		return c
	}
	var found []string
	for lines := bufio.NewScanner(bytes.NewReader(mounts)); lines.Scan(); {
		// "36 35 0:7 / /sys/kernel/tracing rw,nosuid … - tracefs tracefs rw"
		mount, kind, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(mount)
		if strings.HasPrefix(kind, "tracefs ") && len(fields) > 4 && !slices.Contains(found, fields[4]) {
			found = append(found, fields[4])
		}
	}
	if found == nil {
		c.Found = "not mounted; opensnoop does not need it"
	} else {
		c.Found = "mounted on " + strings.Join(found, ", ")
	}
	return c
}
