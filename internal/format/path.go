package format

import (
	"strconv"

	"opensnoop/internal/event"
)

// The absolute path of what was to be opened.

func pathOf(e *event.Event) []byte { return e.Path }

func appendPath(_ *rows, b []byte, e *event.Event) []byte { return append(b, e.Path...) }

func pathExact(e *event.Event) bool {
	return e.Fields.Has(event.Path) && e.PathProblem == event.PathExact
}

func hasPathProblem(e *event.Event) bool {
	return e.Fields.Has(event.Path) && e.PathProblem != event.PathExact
}

// pathPartly reports whether something is known of a path that is not known exactly.
func pathPartly(e *event.Event) bool {
	return hasPathProblem(e) && e.PathProblem != event.PathNoName
}

func appendPathProblem(_ *rows, b []byte, e *event.Event) []byte {
	return append(b, e.PathProblem.String()...)
}

// appendPathText appends the path, or a mark with what is known of it behind. Of a name that
// is not known it is the mark that FILE has.
func appendPathText(r *rows, b []byte, e *event.Event) []byte {
	switch e.PathProblem {
	case event.PathExact:
		return AppendEscaped(b, e.Path)
	case event.PathNoName:
		return appendFile(r, b, e)
	}
	b = append(append(b, `\(`...), e.PathProblem.String()...)
	if e.PathProblem == event.PathBad {
		b = strconv.AppendInt(append(b, ' '), int64(e.Folder.DFD), 10)
	}
	b = append(b, ')')
	if !e.PathProblem.Absolute() {
		b = append(b, '/')
	}
	return AppendEscaped(b, e.Path)
}
