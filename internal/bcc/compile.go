package bcc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
)

// request is what the compiler process reads.
type request struct {
	Code          string
	Headers       map[string]string // by path
	Folder        string            // below which the headers appear
	Flags         []string
	Types         []kernel.Fact
	Functions     []string
	Arch          string
	Version       kernel.Version
	ProbeReadUser bool

	// LibrariesOnly asks for nothing but what the compiler consists of.
	LibrariesOnly bool
}

// reply is what the compiler process writes; as it is it can be kept.
type reply struct {
	Object    *object.Object
	Functions map[string]uint32
	Libraries []library
	Failed    string // why there is no object, if libbcc did not say it itself
	Unknown   string // the same, if the kernel's types do not tell what they are asked
	NoLibrary bool   // there is no libbcc
}

// request returns what is asked of the compiler process.
func (c *Compiler) request(src Source) (*request, error) {
	r := &request{
		Code: src.Code, Headers: make(map[string]string), Flags: src.Flags, Types: src.Types, Functions: src.Functions, Arch: src.Arch,
		Version: c.Version, ProbeReadUser: c.ProbeReadUser,
	}
	err := fs.WalkDir(src.Headers, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(src.Headers, path)
		r.Headers[path] = string(text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the compiler's headers: %w", err)
	}
	const versionHeader = "include/linux/version.h"
	r.Headers[versionHeader] = fmt.Sprintf("#define LINUX_VERSION_CODE %d\n"+
		"#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))\n", c.Version)
	return r, nil
}

// Compile returns the compiled source, from the cache if it is there. An error of the
// compiler is an [*object.Error] with its messages. Compiling takes 50 to 150 ms; the cache,
// less than 1.
func (c *Compiler) Compile(ctx context.Context, src Source) (*Result, error) {
	result, err := c.Lookup(src)
	if err != nil || result.Cached && !result.Stale {
		return result, err
	}
	req, err := c.request(src)
	if err != nil {
		return nil, err
	}
	rep, data, err := ask(ctx, req)
	switch {
	case err != nil:
		return nil, err
	case rep.NoLibrary && result.Stale:
		return result, nil
	case rep.NoLibrary:
		return nil, noLibrary(rep.Failed)
	case rep.Unknown != "":
		return nil, failure(errors.New(rep.Unknown))
	case rep.Object == nil:
		return nil, unusable(rep.Failed)
	}
	result = &Result{Object: rep.Object, Functions: rep.Functions, Why: result.Why, key: result.key}
	if c.Cache != nil {
		result.data = data
	}
	return result, nil
}

// ask has a compiler process serve a request. It returns the reply, decoded and as it came.
func ask(ctx context.Context, req *request) (*reply, []byte, error) {
	compiler, err := startCompiler(ctx)
	if err != nil {
		return nil, nil, err
	}
	folder, err := makeSourceFolder()
	if err != nil {
		compiler.stop()
		return nil, nil, failure(err)
	}
	defer folder.remove()
	req.Folder = folder.path
	data, err := compiler.serve(req)
	if err != nil {
		return nil, nil, err
	}
	rep, err := decodeReply(data)
	if err != nil {
		return nil, nil, failure(err)
	}
	return rep, data, nil
}

// Lookup looks for a source in the cache: for what [Compiler.Compile] would find there, or why it
// would not.
func (c *Compiler) Lookup(src Source) (*Result, error) {
	release, err := kernel.CurrentRelease()
	if err != nil {
		return nil, err
	}
	key, err := c.key(src, release)
	if err != nil {
		return nil, fmt.Errorf("reading the compiler's headers: %w", err)
	}
	result := &Result{key: key}
	if c.Cache == nil {
		return result, nil
	}
	data, err := c.Cache.Get(result.key)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			result.Why = err.Error()
		}
		return result, nil
	}
	rep, err := decodeReply(data)
	if err != nil || rep.Object == nil {
		result.Why = "the cached object is of no use"
		return result, nil
	}
	result.Object, result.Functions, result.Cached = rep.Object, rep.Functions, true
	if err := changed(rep.Libraries); err != nil {
		result.Stale, result.Why = true, err.Error()
	}
	return result, nil
}

// Keep puts a result that was compiled into the cache. It may take some ms, longer on a
// slow disk, and can be called at any time.
func (c *Compiler) Keep(r *Result) error {
	if r.data == nil {
		return nil
	}
	data := r.data
	r.data = nil
	return c.Cache.Put(r.key, data)
}

// Libraries returns the paths of what the compiler consists of, libbcc and all that it
// needs. It takes some 30 ms.
func Libraries(ctx context.Context) ([]string, error) {
	rep, _, err := ask(ctx, &request{LibrariesOnly: true})
	switch {
	case err != nil:
		return nil, err
	case rep.NoLibrary:
		return nil, noLibrary(rep.Failed)
	case rep.Failed != "":
		return nil, unusable(rep.Failed)
	}
	var paths []string
	for _, l := range rep.Libraries {
		if l.Path != linkerCache {
			paths = append(paths, l.Path)
		}
	}
	return paths, nil
}

// ErrNoLibrary is the error of a compilation for which there is no libbcc.
var ErrNoLibrary = errors.New("libbcc cannot be loaded")

func noLibrary(reason string) error {
	e := failure(fmt.Errorf("%w (%s)", ErrNoLibrary, reason))
	e.Remedy = "install it: the package is libbpfcc on Debian and Ubuntu, bcc elsewhere"
	return e
}

// unusable is the error of a libbcc that is there, by the dynamic linker's reason.
func unusable(reason string) error {
	e := failure(fmt.Errorf("libbcc is there, but cannot be loaded (%s)", reason))
	e.Remedy = "install it anew (libbpfcc on Debian and Ubuntu, bcc elsewhere)"
	for text, remedy := range map[string]string{
		"failed to map segment":  "raise the limit of memory (ulimit -v)",
		"Cannot allocate memory": "raise the limit of memory (ulimit -v, or that of the cgroup)",
		"Too many open files":    "raise the limit of open files (ulimit -n)",
	} {
		if strings.Contains(reason, text) {
			e.Remedy = remedy
		}
	}
	return e
}

// failure is an error of the compiler.
func failure(err error) *object.Error {
	return &object.Error{Step: "compiling the BPF program with libbcc", Err: err}
}

// decodeReply believes nothing of what it is given.
func decodeReply(data []byte) (*reply, error) {
	rep := new(reply)
	if err := json.Unmarshal(data, rep); err != nil {
		return nil, fmt.Errorf("decoding a compiled program: %w", err)
	}
	if rep.Object != nil {
		if err := rep.Object.Check(); err != nil {
			return nil, fmt.Errorf("decoding a compiled program: %w", err)
		}
	}
	return rep, nil
}
