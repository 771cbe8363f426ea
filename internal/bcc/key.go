package bcc

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"opensnoop/internal/kernel"
)

// formatVersion is that of replies, as they are kept, and of how they are compiled.
const formatVersion = "object 4"

// key is what a request's reply depends on on a kernel, but for libbcc and what that
// consists of, which the reply names.
func (r *request) key(release kernel.Release) string {
	h := sha256.New()
	add := func(texts ...string) {
		for _, text := range texts {
			fmt.Fprintf(h, "%d:%s", len(text), text)
		}
	}
	add(formatVersion, r.Code)
	names := make([]string, 0, len(r.Headers))
	for name := range r.Headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		add(name, r.Headers[name])
	}
	add(fmt.Sprint(len(r.Flags)))
	add(r.Flags...)
	add(fmt.Sprint(r.Types, r.Functions)) // of this kernel, which is named below
	add(ownFlags...)
	add(r.Arch, runtime.GOARCH, fmt.Sprint(r.Version, r.ProbeReadUser))
	add(release.Name, release.Build, release.Machine, string(buildNotes("/sys/kernel/notes")))
	for _, module := range kernel.Modules {
		add(string(buildNotes("/sys/module/" + module + "/notes/.note.gnu.build-id")))
	}
	add(os.Getenv(libraryPath))
	return hex.EncodeToString(h.Sum(nil))
}

// buildNotes are what its linker left in the running kernel or a module, with an id of that build;
// empty if that is not told.
func buildNotes(file string) []byte {
	notes, _ := os.ReadFile(file)
	return notes
}

// libraryPath is where the dynamic linker looks for libraries first (ld.so(8)).
const libraryPath = "LD_LIBRARY_PATH"

// linkerCache tells the dynamic linker where libraries are: another one may name
// another libbcc.
const linkerCache = "/etc/ld.so.cache"

// library is a file that the compiler consists of, as it was.
type library struct {
	Path               string
	Dev, Ino           uint64
	Size, Mtime, Ctime int64 // bytes, ns, ns
}

func libraryAt(path string) (library, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return library{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return library{path, st.Dev, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()}, nil
}

// changed returns an error that names the first of some libraries that is not what it
// was.
func changed(libraries []library) error {
	if len(libraries) == 0 {
		return errors.New("what it was compiled with is not known")
	}
	for _, then := range libraries {
		if now, err := libraryAt(then.Path); err != nil || now != then {
			return fmt.Errorf("%s has changed since", then.Path)
		}
	}
	return nil
}
