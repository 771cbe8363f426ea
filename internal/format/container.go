package format

import "opensnoop/internal/event"

// shortID is how many characters of a container's id are shown for it.
const shortID = 12

// containerKnown reports whether it is known which container an open is of, or that it is of none.
func containerKnown(e *event.Event) bool { return e.Fields.Has(event.Cgroup) && e.Container != nil }

// inContainer reports whether it is known which container an open is of.
func inContainer(e *event.Event) bool { return containerKnown(e) && e.Container.ID != "" }

// ContainerTitle returns what a container is called: its name, or its short id.
func ContainerTitle(c *event.Container) string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID[:min(len(c.ID), shortID)]
}

func appendContainer(_ *rows, b []byte, e *event.Event) []byte {
	return append(b, ContainerTitle(e.Container)...)
}

func appendContainerText(r *rows, b []byte, e *event.Event) []byte {
	if !inContainer(e) {
		return append(b, '-')
	}
	return AppendEscaped(b, appendContainer(r, r.scratch[:0], e))
}

func appendContainerObject(r *rows, b []byte, e *event.Event) []byte {
	return appendContainerMembers(b, r.scratch, e.Container)
}

// AppendContainer appends all that is known of a container as an object of JSON.
func AppendContainer(b []byte, c *event.Container) []byte {
	return appendContainerMembers(b, nil, c)
}

func appendContainerMembers(b, scratch []byte, c *event.Container) []byte {
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
	return append(b, '}')
}

var containerFields = []field{
	{name: "container", known: inContainer, value: appendContainer, object: appendContainerObject},
	{name: "container_problem", optional: true, known: func(e *event.Event) bool {
		return !containerKnown(e)
	}, value: func(_ *rows, b []byte, _ *event.Event) []byte { return append(b, "unknown"...) }},
}
