package summary

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"opensnoop/internal/event"
	"opensnoop/internal/format"
)

// By is what opens are counted by.
type By struct {
	Name  string       // as a user chooses it
	Needs event.Fields // what events must hold for it
	Wants event.Fields // what they should hold, where the kernel can tell it

	plural string // in JSON
	header string // of the table
	path   bool   // what is shown is a path, whose end says more than its start

	// key appends what events are told apart by, and note keeps in an entry what is shown
	// beside that; nil for nothing.
	key  func(b []byte, e *event.Event) []byte
	note func(t *entry, e *event.Event)

	// name, if not nil, looks up what an entry is called, before it is shown.
	name func(s *Summary, t *entry)

	text   func(b []byte, t *entry) []byte    // in the table
	object func(t *entry, shared rowJSON) any // in JSON
}

// Bys are all there are.
var Bys = []*By{
	{
		Name: "file", Wants: event.Path, plural: "files", header: "FILE", path: true,
		key: fileKey, text: fileText, object: fileObject,
	},
	{
		Name: "dir", Wants: event.Path, plural: "dirs", header: "DIR", path: true,
		key: dirKey, text: fileText, object: fileObject,
	},
	{
		Name: "process", plural: "processes", header: "PID    COMM",
		key:  func(b []byte, e *event.Event) []byte { return binary.BigEndian.AppendUint32(b, e.TGID) },
		note: func(t *entry, e *event.Event) { t.comm = append(t.comm[:0], e.Comm...) },
		text: func(b []byte, t *entry) []byte {
			return format.AppendEscaped(fmt.Appendf(b, "%-6d ", t.number()), t.comm)
		},
		object: func(t *entry, shared rowJSON) any {
			o := processJSON{PID: t.number(), rowJSON: shared}
			o.Comm, o.Base64 = textJSON(t.comm)
			return o
		},
	},
	{
		Name: "program", Needs: event.Exe, plural: "programs", header: "PROGRAM", path: true,
		key: programKey, text: programText, object: programObject,
	},
	{
		Name: "user", Needs: event.UID, plural: "users", header: "UID        USER",
		key:  func(b []byte, e *event.Event) []byte { return binary.BigEndian.AppendUint32(b, e.UID) },
		name: func(s *Summary, t *entry) { t.user = s.users.Name(t.number()) },
		text: func(b []byte, t *entry) []byte {
			return format.AppendEscaped(fmt.Appendf(b, "%-10d ", t.number()), []byte(t.user))
		},
		object: func(t *entry, shared rowJSON) any {
			o := userJSON{UID: t.number(), rowJSON: shared}
			if t.user != "" {
				o.User, _ = textJSON([]byte(t.user))
			}
			return o
		},
	},
	{
		Name: "container", Needs: event.Cgroup, plural: "containers", header: "CONTAINER",
		key:  containerKey,
		note: func(t *entry, e *event.Event) { t.container = e.Container },
		text: containerText, object: containerObject,
	},
}

// Usual are those that are taken if none is chosen.
var Usual = []*By{FindBy("file"), FindBy("process")}

// FindBy returns the one of a name; nil if there is none.
func FindBy(name string) *By {
	i := slices.IndexFunc(Bys, func(by *By) bool { return by.Name == name })
	if i < 0 {
		return nil
	}
	return Bys[i]
}

// number is the key of what is counted by a number.
func (t *entry) number() uint32 { return binary.BigEndian.Uint32([]byte(t.key)) }

// fileKey is what a file is told apart by: how well its path is known, the name's kind, and the path,
// or the name where paths are not told. All names that could not be read count as one of their
// kind.
func fileKey(b []byte, e *event.Event) []byte {
	switch {
	case e.NameKind == event.NameUnsure:
		return append(b, byte(event.PathShared), byte(e.NameKind))
	case e.NameKind != event.NameRead:
		return append(b, byte(event.PathNoName), byte(e.NameKind))
	case e.Fields.Has(event.Path):
		return append(append(b, byte(e.Path.Problem), byte(e.NameKind)), e.Path.Known...)
	}
	return append(append(b, byte(event.PathExact), byte(e.NameKind)), e.Name...)
}

// dirKey is the same of the folder that a file is in.
func dirKey(b []byte, e *event.Event) []byte {
	start := len(b)
	b = fileKey(b, e)
	const path = 2 // where it begins
	end := bytes.LastIndexByte(b[start+path:], '/')
	switch {
	case end > 0:
		b = b[:start+path+end]
	case end == 0:
		b = b[:start+path+1] // the root
	case e.NameKind == event.NameRead:
		b = append(b[:start+path], '.') // a name alone
	}
	return b
}

func fileText(b []byte, t *entry) []byte {
	problem, known := event.PathProblem(t.key[0]), []byte(t.key[2:])
	switch event.NameKind(t.key[1]) {
	case event.NameBad:
		return append(b, `\(bad address)`...)
	case event.NameHandle:
		return append(b, `\(file handle)`...)
	case event.NameUnseen:
		return append(b, `\(unread name)`...)
	}
	if problem != event.PathExact {
		b = fmt.Appendf(b, `\(%v)`, problem)
		if len(known) > 0 && known[0] != '/' {
			b = append(b, '/')
		}
	}
	if len(known) == 0 && problem == event.PathExact {
		return append(b, `""`...)
	}
	return format.AppendEscaped(b, known)
}

func fileObject(t *entry, shared rowJSON) any {
	problem, kind := event.PathProblem(t.key[0]), event.NameKind(t.key[1])
	file := fileJSON{Bad: kind == event.NameBad, Unread: kind == event.NameUnseen, Handle: kind == event.NameHandle, rowJSON: shared}
	switch known := []byte(t.key[2:]); {
	case kind == event.NameUnsure:
		file.Problem = problem.String()
	case kind != event.NameRead:
	case problem == event.PathExact:
		file.File, file.Base64 = textJSON(known)
	default:
		file.Known, file.KnownBase64 = textJSON(known)
		file.Problem = problem.String()
	}
	return file
}

// programKey is how well the path is known, and the path.
func programKey(b []byte, e *event.Event) []byte {
	return append(append(b, byte(e.Exe.Problem)), e.Exe.Known...)
}

func programText(b []byte, t *entry) []byte {
	problem, path := event.PathProblem(t.key[0]), []byte(t.key[1:])
	if problem == event.PathNone {
		return append(b, '-')
	}
	if problem != event.PathExact {
		b = fmt.Appendf(b, `\(%v)`, problem)
	}
	return format.AppendEscaped(b, path)
}

func programObject(t *entry, shared rowJSON) any {
	o := programJSON{rowJSON: shared}
	switch problem := event.PathProblem(t.key[0]); problem {
	case event.PathNone:
	case event.PathExact:
		o.Program, o.Base64 = textJSON([]byte(t.key[1:]))
	default:
		o.Known, _ = textJSON([]byte(t.key[1:]))
		o.Problem = problem.String()
	}
	return o
}

// containerKey is what containers are told apart by; a question mark where that is not known.
func containerKey(b []byte, e *event.Event) []byte {
	if e.Container == nil {
		return append(b, '?')
	}
	for c := e.Container; c != nil; c = c.Outer {
		b = append(append(append(b, c.Runtime...), 0), c.ID...)
		b = binary.BigEndian.AppendUint32(append(b, 0), c.UID)
	}
	return b
}

func containerText(b []byte, t *entry) []byte {
	switch {
	case t.container == nil:
		return append(b, '?')
	case t.container.ID == "":
		return append(b, '-')
	}
	return format.AppendEscaped(b, []byte(t.container.Title))
}

func containerObject(t *entry, shared rowJSON) any {
	o := containerJSON{rowJSON: shared}
	switch {
	case t.container == nil:
		o.Problem = "unknown"
	case t.container.ID != "":
		o.Container = json.RawMessage(format.AppendContainer(nil, t.container))
	}
	return o
}
