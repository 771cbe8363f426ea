package format

import (
	"bytes"
	"strconv"

	"opensnoop/internal/event"
)

// The absolute path of what was to be opened, and the places of files.

// appendPathText appends the path, or a mark with what is known of it behind. Of a name that
// is not known it is the mark that FILE has.
func appendPathText(r *rows, b []byte, e *event.Event) []byte {
	if e.Path.Problem == event.PathNoName {
		return appendFile(r, b, e)
	}
	return appendPlace(b, &e.Path, e.Folder.DFD)
}

// AppendPath appends an event's path as a table has it.
func AppendPath(b []byte, e *event.Event) []byte { return appendPathText(nil, b, e) }

// appendPlace appends the path of a file, or a mark with what is known of it behind. dfd is the
// descriptor that it is relative to, if one is.
func appendPlace(b []byte, p *event.Place, dfd int32) []byte {
	if p.Problem == event.PathExact {
		return AppendEscaped(b, p.Known)
	}
	b = appendProblem(append(b, `\(`...), p)
	if p.Problem == event.PathBad {
		b = strconv.AppendInt(append(b, ' '), int64(dfd), 10)
	}
	b = append(b, ')')
	if len(p.Known) > 0 && p.Known[0] != '/' {
		b = append(b, '/')
	}
	return AppendEscaped(b, p.Known)
}

// badDescriptor reports whether a name is relative to a descriptor that is none.
func badDescriptor(e *event.Event) bool {
	return e.Fields.Has(event.Path) && e.Path.Problem == event.PathBad
}

// appendProblem appends why a path is not known; for a file that has none, its kind.
func appendProblem(b []byte, p *event.Place) []byte {
	if p.Problem == event.PathSpecial {
		return AppendEscaped(b, p.Kind)
	}
	return append(b, p.Problem.String()...)
}

// fileKnown reports whether it is known what file was opened, or that there is none.
func fileKnown(e *event.Event) bool {
	return e.Fields.Has(event.File) && resultKnown(e) && (e.Real.Problem != event.PathNone || e.Result < 0)
}

// opened reports whether a file was opened of which more is known.
func opened(e *event.Event) bool {
	return fileKnown(e) && e.Real.Problem != event.PathNone && e.Real.Problem != event.PathClosed
}

// ifOpened is a value that only opened files have.
func ifOpened(v value) value {
	return func(r *rows, b []byte, e *event.Event) []byte {
		if !opened(e) {
			return append(b, '-')
		}
		return v(r, b, e)
	}
}

// placeFields are the fields of a file's place.
func placeFields(name string, needs event.Fields, place func(e *event.Event) *event.Place) []field {
	exactly := func(e *event.Event) bool { return e.Fields.Has(needs) && place(e).Problem == event.PathExact }
	problem := func(e *event.Event) bool {
		return e.Fields.Has(needs) && place(e).Problem != event.PathExact && place(e).Problem != event.PathNone
	}
	unread := func(e *event.Event) bool { return !e.Fields.Has(needs) }
	partly := func(e *event.Event) bool { return problem(e) && len(place(e).Known) > 0 }
	path := func(e *event.Event) []byte { return place(e).Known }
	text := func(_ *rows, b []byte, e *event.Event) []byte { return append(b, path(e)...) }
	return []field{
		{name: name, known: exactly, value: text},
		exactIf(name, exactly, path),
		{name: name + "_known", optional: true, known: partly, value: text},
		exactIf(name+"_known", partly, path),
		{name: name + "_problem", optional: true, known: func(e *event.Event) bool { return unread(e) || problem(e) }, value: func(_ *rows, b []byte, e *event.Event) []byte {
			if unread(e) {
				return append(b, "not read"...)
			}
			return appendProblem(b, place(e))
		}},
	}
}

// pathFields are the fields of the path.
func pathFields() []field {
	fields := placeFields("path", event.Path, func(e *event.Event) *event.Place { return &e.Path })
	for i := range fields {
		fields[i].same = isNamed
	}
	return append(fields, field{name: "dirfd", kind: number, optional: true, known: badDescriptor, value: func(_ *rows, b []byte, e *event.Event) []byte {
		return appendInt(b, int64(e.Folder.DFD))
	}})
}

// isNamed reports whether the name that was passed is the path.
func isNamed(e *event.Event) bool {
	return e.Fields.Has(event.Path) && e.Path.Problem == event.PathExact && e.NameKind == event.NameRead && bytes.Equal(e.Path.Known, e.Name)
}

// appendDev appends a device as ls(1) does: the major and the minor number.
func appendDev(_ *rows, b []byte, e *event.Event) []byte {
	b = strconv.AppendUint(b, uint64(e.Dev>>20), 10)
	return strconv.AppendUint(append(b, ':'), uint64(e.Dev&(1<<20-1)), 10)
}

// statDiffers reports whether stat(2) may tell another device or inode of the file that was opened.
func statDiffers(e *event.Event) bool { return opened(e) && e.StatDiffers }

// mayDiffer marks a value that may not be what stat(2) tells.
func mayDiffer(text value) value {
	return func(r *rows, b []byte, e *event.Event) []byte {
		if b = text(r, b, e); statDiffers(e) {
			b = append(b, '~')
		}
		return b
	}
}

func appendInode(_ *rows, b []byte, e *event.Event) []byte { return strconv.AppendUint(b, e.Inode, 10) }

func appendCreated(_ *rows, b []byte, e *event.Event) []byte { return strconv.AppendBool(b, e.Created) }
