// Package compare says what recordings tell together: in what two runs differ, what a run looked
// for in vain, and what it needed.
package compare

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
	"opensnoop/internal/format"
	"opensnoop/internal/record"
)

// Needs are the columns that a recording must have to be compared.
var Needs = []string{"path", "fd", "err", "flags"}

// each hands out the rows of a recording, and returns nil at its end.
func each(in *record.Reader, do func(e *event.Event) error) error {
	var e event.Event
	for {
		err := in.Next(&e)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := do(&e); err != nil {
			return err
		}
	}
}

// program is what opened: its path, or the comm where that is not known.
func program(e *event.Event) []byte {
	if e.Fields.Has(event.Exe) && e.Exe.Problem.Absolute() && len(e.Exe.Known) > 0 {
		return e.Exe.Known
	}
	return e.Comm
}

// caller is the program, or what rows call it where that is another: a script, which an interpreter
// runs.
func caller(e *event.Event) []byte {
	p := program(e)
	if e.Fields.Has(event.Process) && !bytes.HasPrefix(short(p), e.Process) {
		return e.Process
	}
	return p
}

// path is the absolute path of what was to be opened, or what a table has: a mark, or the escaped
// name that a recording calls a path though it is none.
func path(e *event.Event) []byte {
	if e.Fields.Has(event.Path) && e.Path.Problem == event.PathExact && absolute(e.Path.Known) {
		return e.Path.Known
	}
	return format.AppendPath(nil, e)
}

// absolute reports whether a path is one, and no mark.
func absolute(path []byte) bool { return bytes.HasPrefix(path, []byte("/")) }

// outcome is how an open ended, in a word: what for, or the error.
func outcome(e *event.Event) string {
	switch {
	case e.Result == event.ResultUnknown:
		return "?"
	case e.Result < 0:
		return errorName(e)
	case e.Exec, e.Lookup != event.NoLookup:
		return e.Op()
	case e.Fields.Has(event.File) && e.Created:
		return "create"
	}
	return access(e.Flags)
}

func errorName(e *event.Event) string { return nameOf(unix.Errno(-e.Result)) }

func nameOf(errno unix.Errno) string {
	if name := unix.ErrnoName(errno); name != "" {
		return name
	}
	return "error"
}

// access is what a file is opened for.
func access(flags uint64) string {
	switch {
	case flags&unix.O_PATH != 0:
		return "path"
	case flags&unix.O_ACCMODE == unix.O_WRONLY:
		return "write"
	case flags&unix.O_ACCMODE == unix.O_RDWR:
		return "read+write"
	}
	return "read"
}

// there reports whether what was asked for is known to be there, though the call may have failed:
// readlink(2) of what is no link, and O_EXCL, fail for just that.
func there(e *event.Event) bool {
	if e.Result == event.ResultUnknown || e.Result >= 0 {
		return e.Result >= 0
	}
	errno := unix.Errno(-e.Result)
	return errno == unix.EEXIST || errno == unix.EINVAL && e.Lookup == event.ReadLink
}

// failed reports whether an open or a lookup is known to have failed.
func failed(e *event.Event) bool { return e.Result < 0 && e.Result != event.ResultUnknown && !there(e) }

// opened reports whether an open is known to have succeeded.
func opened(e *event.Event) bool { return e.Result >= 0 && e.Lookup == event.NoLookup }

// found reports whether a file was looked for and is there.
func found(e *event.Event) bool { return e.Lookup != event.NoLookup && there(e) }

// short is a program's name for a table.
func short(program []byte) []byte { return []byte(filepath.Base(string(program))) }
