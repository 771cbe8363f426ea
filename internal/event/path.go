package event

import "bytes"

// PathProblem is why the absolute path of what was opened is not known exactly.
type PathProblem uint8

const (
	PathExact       PathProblem = iota // it is known
	PathNoName                         // the name is not known
	PathBad                            // the descriptor is none
	PathChanged                        // folders were renamed while it was walked
	PathTooDeep                        // what is known is its end
	PathEscaped                        // the folder has been moved out of what is mounted
	PathUnreachable                    // it is not below the tracer's root
	PathShared                         // other threads may have changed what the name is relative to
	PathDeleted                        // the folder has been deleted; what is known is where it was

	// Of files alone.
	PathNone        // there is no file
	PathClosed      // its descriptor was closed meanwhile
	PathSpecial     // files of its kind have none; what is known is its name
	PathDeletedFile // it has been deleted
)

var problems = [...]string{
	PathExact: "", PathNoName: "no name", PathBad: "bad descriptor", PathChanged: "changed meanwhile",
	PathTooDeep: "too deep", PathEscaped: "moved out of its mount", PathUnreachable: "not reachable",
	PathShared: "may have changed", PathDeleted: "deleted folder",
	PathNone: "no file", PathClosed: "closed meanwhile", PathSpecial: "no path", PathDeletedFile: "deleted",
}

// String is the problem in a few words; "" for none.
func (p PathProblem) String() string { return problems[p] }

// ParseProblem returns the problem that is told so; [PathSpecial] for other words, which are the
// name of the kind of file system then.
func ParseProblem(text []byte) PathProblem {
	for p, of := range problems {
		if of == string(text) && p != int(PathSpecial) {
			return PathProblem(p)
		}
	}
	return PathSpecial
}

// Absolute reports whether what is known of such a path begins at the tracer's root.
func (p PathProblem) Absolute() bool {
	return p == PathExact || p == PathDeleted || p == PathDeletedFile
}

// whole reports whether what is known of such a path is from the tracer's root on, whether or not
// it is that of the file.
func (p PathProblem) whole() bool { return p.Absolute() || p == PathShared }

// Place is where a file is. What is known of its path is the whole of it if there is no
// problem; where it does not begin at the tracer's root it has no slash in front. But for the
// walk, [Event.Append] does not use it.
type Place struct {
	Walk    Walk // of a file that is there
	Known   []byte
	Problem PathProblem
	Kind    []byte // of [PathSpecial]: the name of the kind of file system
}

// find sets the path by the walk, behind b.
func (p *Place) find(b []byte) {
	w := &p.Walk
	switch p.Problem = w.problem(); {
	case w.State&walkNone != 0:
		p.Problem = PathNone
	case w.State&walkSpecial != 0 && p.Problem == PathExact:
		name, kind, _ := bytes.Cut(bytes.TrimSuffix(w.Components, []byte{0}), []byte{0})
		p.Known, p.Kind, p.Problem = append(b, name...), kind, PathSpecial
		return
	case p.Problem == PathBad:
		p.Problem = PathClosed
	case p.Problem == PathDeleted:
		p.Problem = PathDeletedFile
	}
	p.Known = w.appendBelow(b, 0)
	switch {
	case p.Problem.whole() && len(p.Known) == 0:
		p.Known = append(p.Known, '/')
	case !p.Problem.whole() && len(p.Known) > 0:
		p.Known = p.Known[1:]
	}
}

// problemOf are the problems of walks, the first one that a walk has first.
var problemOf = []struct {
	state   WalkState
	problem PathProblem
}{
	{walkBad, PathBad}, {walkChanged | walkNone, PathChanged}, {walkMore, PathTooDeep},
	{walkEscaped, PathEscaped}, {walkUnreachable, PathUnreachable}, {walkShared, PathShared}, {walkDeleted, PathDeleted},
}

// problem says what is wrong with a walk.
func (w *Walk) problem() PathProblem {
	if w.State&walkBad != 0 && w.State&walkShared != 0 {
		return PathChanged // it may have been one when the kernel looked
	}
	for _, of := range problemOf {
		if w.State&of.state != 0 {
			return of.problem
		}
	}
	return PathExact
}

// appendPath appends what is known of Event.Path.
func (e *Event) appendPath(b []byte) ([]byte, PathProblem) {
	switch {
	case e.NameKind == NameUnsure:
		return append(b, bytes.TrimLeft(e.Name, "/")...), PathChanged
	case e.NameKind != NameRead:
		return b, PathNoName
	}
	w := &e.Folder.Base
	if len(e.Name) > 0 && e.Name[0] == '/' && w.State&walkInRoot == 0 {
		w = &e.Folder.Root
	}
	problem := w.problem()
	if problem == PathBad || problem == PathChanged {
		return append(b, bytes.TrimLeft(e.Name, "/")...), problem
	}
	ups, rest := leading(e.Name)
	start := len(b)
	b = w.appendBelow(b, ups)
	for part := range bytes.SplitSeq(rest, []byte("/")) {
		if len(part) > 0 && string(part) != "." {
			b = append(append(b, '/'), part...)
		}
	}
	switch {
	case !problem.whole() && len(b) > start:
		b = append(b[:start], b[start+1:]...)
	case problem.whole() && len(b) == start:
		b = append(b, '/')
	}
	return b, problem
}

// leading returns how many .. a name begins with, and what follows them.
func leading(name []byte) (ups int, rest []byte) {
	for {
		name = bytes.TrimLeft(name, "/")
		part, rest, _ := bytes.Cut(name, []byte("/"))
		switch string(part) {
		case "..":
			ups++
		case ".":
		default:
			return ups, name
		}
		name = rest
	}
}

// appendBelow appends the path of the folder that is so many above the walk's, each
// component with a slash before it. Nothing is above the process's root.
func (w *Walk) appendBelow(b []byte, ups int) []byte {
	rest := w.Components
	for ; ups > 0 && len(rest) > 0 && rest[0] != 0; ups-- {
		_, rest, _ = bytes.Cut(rest, []byte{0})
	}
	for len(rest) > 0 {
		rest = rest[:len(rest)-1]
		at := bytes.LastIndexByte(rest, 0) + 1
		if name := rest[at:]; len(name) > 0 {
			b = append(append(b, '/'), name...)
		}
		rest = rest[:at]
	}
	return b
}
