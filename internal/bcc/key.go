package bcc

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"opensnoop/internal/kernel"
)

// formatVersion is that of replies, as they are kept, and of how they are compiled.
const formatVersion = "object 4"

// key hashes everything that the reply to a source depends on, except libbcc's own files: the reply names
// those, and they are checked apart. Each start computes it, so it copies nothing.
func (c *Compiler) key(src Source, release kernel.Release) (string, error) {
	sum := sha256.New()
	w := bufio.NewWriter(sum)
	add := func(texts ...string) {
		for _, text := range texts {
			fmt.Fprintf(w, "%d:", len(text))
			w.WriteString(text)
		}
	}
	add(formatVersion, src.Code)
	err := fs.WalkDir(src.Headers, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		file, err := src.Headers.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		info, err := d.Info()
		if err != nil {
			return err
		}
		add(path)
		fmt.Fprintf(w, "%d:", info.Size())
		_, err = w.ReadFrom(file)
		return err
	})
	add(fmt.Sprint(len(src.Flags)))
	add(src.Flags...)
	add(fmt.Sprint(src.Types, src.Functions)) // of this kernel, which is named below
	add(ownFlags...)
	add(src.Arch, runtime.GOARCH, fmt.Sprint(c.Version, c.ProbeReadUser))
	add(release.Name, release.Build, release.Machine, string(buildNotes("/sys/kernel/notes")))
	for _, module := range kernel.Modules {
		add(string(buildNotes("/sys/module/" + module + "/notes/.note.gnu.build-id")))
	}
	add(os.Getenv(libraryPath))
	w.Flush()
	return hex.EncodeToString(sum.Sum(nil)), err
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
