package summary

import (
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

	plural string // in JSON
	header string // of the table

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
		Name: "file", plural: "files", header: "FILE",
		key: fileKey, text: fileText, object: fileObject,
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
		Name: "program", Needs: event.Exe, plural: "programs", header: "PROGRAM",
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

// fileKey is the name's kind and the name. All names that could not be read count as one of
// their kind.
func fileKey(b []byte, e *event.Event) []byte {
	b = append(b, byte(e.NameKind))
	if e.NameKind == event.NameRead {
		b = append(b, e.Name...)
	}
	return b
}

func fileText(b []byte, t *entry) []byte {
	switch name := []byte(t.key[1:]); event.NameKind(t.key[0]) {
	case event.NameRead:
		return format.AppendEscaped(b, name)
	case event.NameBad:
		return append(b, `\(bad address)`...)
	case event.NameHandle:
		return append(b, `\(file handle)`...)
	default:
		return append(b, `\(unread name)`...)
	}
}

func fileObject(t *entry, shared rowJSON) any {
	kind := event.NameKind(t.key[0])
	file := fileJSON{Bad: kind == event.NameBad, Unread: kind == event.NameUnseen, Handle: kind == event.NameHandle, rowJSON: shared}
	if kind == event.NameRead {
		file.File, file.Base64 = textJSON([]byte(t.key[1:]))
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
