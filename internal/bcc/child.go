package bcc

/*
#cgo LDFLAGS: -L${SRCDIR}/empty -ldl
#include "shim.h"
*/
import "C"

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/cilium/ebpf"
	gobpf "github.com/iovisor/gobpf/bcc"
	"golang.org/x/sys/unix"

	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
)

// compilerName is the name, and the only argument, of a process that compiles; confine.c
// has it too.
const compilerName = "opensnoop: compiler"

// replyFD is the descriptor to which the compiler process writes its reply, and typesFD the
// first of those of the kernel's types.
const (
	replyFD = 3
	typesFD = 4
)

// A program that uses this package is its own compiler. By now confine.c has taken all
// rights from the process.
func init() {
	if len(os.Args) != 1 || os.Args[0] != compilerName {
		return
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// errNoSuchFile is what the dynamic linker says of a library that is not installed.
const errNoSuchFile = "cannot open shared object file: No such file or directory"

// work is what there is to do, made ready.
type work struct {
	req     request
	rep     *reply
	overlay string // the path of what says where the headers are
}

// prepare reads a request, and makes ready what takes no libbcc.
func prepare() (*work, error) {
	w := &work{rep: new(reply)}
	if err := json.NewDecoder(os.Stdin).Decode(&w.req); err != nil {
		return nil, fmt.Errorf("reading what to compile: %w", err)
	}
	var types []*os.File
	for i := range 1 + len(kernel.Modules) {
		types = append(types, os.NewFile(typesFD+uintptr(i), kernel.TypesFile))
	}
	macros, functions, unknown := kernel.AskTypes(types, w.req.Types, w.req.Functions)
	if unknown != nil {
		w.rep.Unknown = unknown.Error()
	}
	w.rep.Functions = functions
	w.req.Flags = append(w.req.Flags, defines(macros)...)
	w.req.Code = Prune(w.req.Code, w.req.Flags)
	var err error
	w.overlay, err = overlayHeaders(w.req.Folder, w.req.Headers)
	return w, err
}

// serve reads a request and writes the reply. It writes none if libbcc could not compile
// and has printed why.
func serve() error {
	var w *work
	var err error
	var preparing sync.WaitGroup
	preparing.Go(func() { w, err = prepare() })
	failure := C.shim_open() // it takes longer
	preparing.Wait()
	if err != nil {
		return err
	}
	if fd := C.shim_make_map(); fd >= 0 && fd < C.SHIM_FIRST_TRAPPED {
		return errors.New("the compiler still has the right to make BPF maps")
	}
	rep := w.rep
	switch {
	case failure != nil:
		rep.Failed = C.GoString(failure)
		rep.NoLibrary = strings.Contains(rep.Failed, errNoSuchFile)
	case rep.Unknown == "" && !w.req.LibrariesOnly:
		if err := compile(&w.req, w.overlay, rep); err != nil {
			return err
		}
	}
	rep.Libraries = libraries()
	data, err := json.Marshal(rep)
	if err != nil {
		return err
	}
	out := os.NewFile(replyFD, "reply")
	_, err = out.Write(data)
	// Closed before the process ends: that takes longer than what waits for it.
	err = errors.Join(err, out.Close())
	// It ends when it is told to.
	_, _ = io.Copy(io.Discard, os.Stdin)
	return err
}

// ownFlags are the compiler's for all sources. Most spare libbcc time, in all two thirds of it.
var ownFlags = []string{
	// Not libbcc's own headers, by their guards, but the little of them that is in
	// Source.Headers.
	"-D_UAPI__LINUX_BPF_H__", "-D__BPF_HELPERS_H", "-include", "bcc/helpers.h",
	// No debugging information: the verifier's log then shows instructions alone.
	"-g0",
	// No optimization by clang: libbcc does all of it again by itself.
	"-Xclang", "-disable-llvm-passes",
	// No marks of variables' lifetimes: they would be copied with each function that is inlined.
	"-Xclang", "-disable-lifetime-markers",
	// None of clang's own macros: there are hundreds, and it would read them three times.
	"-undef",
	// No account of what pointers of which types may point to, and of how functions may end.
	"-fno-strict-aliasing", "-Wno-return-type",
	// A call of what is not declared would be code that no kernel takes. libbcc lets clang tell
	// of it while it rewrites the source, but of no warning any more when it compiles.
	"-Werror=implicit-function-declaration",
}

// compile compiles what is requested into the reply, with the headers that the file overlay says.
func compile(req *request, overlay string, rep *reply) (err error) {
	os.Setenv("BCC_KERNEL_SOURCE", req.Folder)
	// libbcc also looks for headers here: a folder that can hold none.
	os.Setenv("TMPDIR", "/proc")
	if req.Arch != "" {
		os.Setenv("ARCH", req.Arch)
	}
	probeReadUser = req.ProbeReadUser
	m := gobpf.NewModule(req.Code, slices.Concat([]string{"-ivfsoverlay", overlay}, ownFlags, req.Flags))
	if m == nil {
		return errors.New("") // libbcc has said why
	}
	rep.Object, err = objectOf(m)
	return err
}

// objectOf takes out of libbcc what it has compiled.
func objectOf(m *gobpf.Module) (*object.Object, error) {
	o := new(object.Object)
	index := make(map[uint32]uint32) // of the maps, by what libbcc takes for descriptors
	for config := range m.TableIter() {
		i := C.size_t(len(o.Maps))
		spec := object.Map{
			Name:       config["name"].(string),
			Type:       ebpf.MapType(C.shim_table_type(i)),
			KeySize:    uint32(config["key_size"].(uint64)),
			ValueSize:  uint32(config["leaf_size"].(uint64)),
			MaxEntries: uint32(C.shim_table_max_entries(i)),
			Flags:      uint32(C.shim_table_flags(i)),
		}
		if spec.Type == ebpf.PerfEventArray {
			spec.MaxEntries = 0 // libbcc has asked /sys
		}
		index[uint32(config["fd"].(int))] = uint32(len(o.Maps))
		if spec.Flags&unix.BPF_F_MMAPABLE != 0 && spec.MaxEntries == 1 {
			index[0] = uint32(len(o.Maps)) // for map_value of bcc/helpers.h
		}
		o.Maps = append(o.Maps, spec)
	}
	for i := range C.shim_num_functions() {
		name := C.GoString(C.shim_function_name(i))
		// This loads nothing: bcc_func_load is ours.
		if _, err := m.Load(name, int(ebpf.Kprobe), 0, 0); err != nil {
			return nil, err
		}
		loaded := C.shim_loaded
		p := object.Program{Name: name, Instructions: C.GoBytes(unsafe.Pointer(loaded.insns), loaded.size)}
		err := object.MapReferences(p.Instructions, func(fd uint32) (uint32, error) {
			i, ok := index[fd]
			if !ok {
				return 0, fmt.Errorf("%s refers to a table that is not there", name)
			}
			return i, nil
		})
		if err != nil {
			return nil, err
		}
		o.License = C.GoString(loaded.license)
		o.Programs = append(o.Programs, p)
	}
	return o, nil
}

// libraries are the files that this process consists of, less its program, and what
// chose them.
func libraries() []library {
	buf := make([]byte, 1<<16)
	n := C.shim_libraries((*C.char)(unsafe.Pointer(&buf[0])), C.size_t(len(buf)))
	paths := strings.FieldsFunc(string(buf[:n]), func(c rune) bool { return c == 0 })
	var found []library
	for _, path := range append(paths, linkerCache) {
		if l, err := libraryAt(path); err == nil {
			found = append(found, l)
		}
	}
	return found
}

// overlayHeaders makes headers appear below a folder, and nothing else anywhere, to clang
// alone. It returns the path of what says so: a file system overlay, in YAML, that has
// an anonymous file for each. Nobody can change one of these: they are in no folder,
// sealed, and of a process that cannot be traced.
func overlayHeaders(folder string, headers map[string]string) (path string, err error) {
	type entry struct {
		Name     string  `json:"name"`
		Type     string  `json:"type"`
		File     string  `json:"external-contents,omitempty"`
		Contents []entry `json:"contents,omitempty"`
	}
	var entries []entry
	files := make(map[string]string) // paths by contents, as many are empty
	for name, text := range headers {
		file, ok := files[text]
		if !ok {
			if file, err = sealed(name, []byte(text)); err != nil {
				return "", err
			}
			files[text] = file
		}
		entries = append(entries, entry{Name: name, Type: "file", File: file})
	}
	text, err := json.Marshal(map[string]any{
		"version":            0,
		"case-sensitive":     "true",
		"use-external-names": "false",
		"fallthrough":        "false",
		"roots":              []entry{{Name: folder, Type: "directory", Contents: entries}},
	})
	if err != nil {
		return "", err
	}
	return sealed("overlay", text)
}

// sealed returns the path of an anonymous file that holds data for good.
func sealed(name string, data []byte) (string, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return "", fmt.Errorf("making a file in memory for %s: %w", name, err)
	}
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if err != nil {
			return "", fmt.Errorf("writing a file in memory for %s: %w", name, err)
		}
		data = data[n:]
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return "", fmt.Errorf("sealing a file in memory for %s: %w", name, err)
	}
	return fmt.Sprintf("/proc/self/fd/%d", fd), nil
}
