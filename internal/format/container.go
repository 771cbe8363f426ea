package format

import (
	"strconv"

	"opensnoop/internal/event"
)

// containerKnown reports whether it is known which container an open is of, or that it is of none.
func containerKnown(e *event.Event) bool { return e.Fields.Has(event.Cgroup) && e.Container != nil }

// inContainer reports whether it is known which container an open is of.
func inContainer(e *event.Event) bool { return containerKnown(e) && e.Container.ID != "" }

func appendContainer(_ *rows, b []byte, e *event.Event) []byte {
	return append(b, e.Container.Title...)
}

func appendContainerText(r *rows, b []byte, e *event.Event) []byte {
	if !inContainer(e) {
		return append(b, '-')
	}
	return AppendEscaped(b, appendContainer(r, r.scratch[:0], e))
}

func appendContainerObject(r *rows, b []byte, e *event.Event) []byte {
	return appendContainerObjects(b, r.scratch, e.Container)
}

// AppendContainer appends all that is known of a container as an object of JSON.
func AppendContainer(b []byte, c *event.Container) []byte {
	return appendContainerObjects(b, nil, c)
}

func appendContainerObjects(b, scratch []byte, c *event.Container) []byte {
	b = appendContainerMembers(b, scratch, c)
	for ; c != nil; c = c.Outer {
		b = append(b, '}')
	}
	return b
}

// appendContainerMembers begins with the outermost one.
func appendContainerMembers(b, scratch []byte, c *event.Container) []byte {
	if c.Outer != nil {
		b = append(appendContainerMembers(b, scratch, c.Outer), `,"inner":`...)
	}
	b = append(b, '{')
	for i, member := range [...]struct{ name, value string }{
		{"id", c.ID}, {"name", c.Name}, {"image", c.Image}, {"pod", c.Pod}, {"namespace", c.Namespace}, {"runtime", c.Runtime},
	} {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, member.name...)
		b = append(b, `":`...)
		if member.value == "" {
			b = append(b, "null"...)
			continue
		}
		b = AppendJSON(b, append(scratch[:0], member.value...))
	}
	return strconv.AppendUint(append(b, `,"uid":`...), uint64(c.UID), 10)
}

var containerFields = []field{
	{name: "container", known: inContainer, value: appendContainer, object: appendContainerObject},
	{name: "container_problem", optional: true, known: func(e *event.Event) bool {
		return !containerKnown(e)
	}, value: func(_ *rows, b []byte, _ *event.Event) []byte { return append(b, "unknown"...) }},
}
