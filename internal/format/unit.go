package format

import "opensnoop/internal/event"

// unitKnown reports whether it is known which unit an open is of, or that it is of none.
func unitKnown(e *event.Event) bool { return e.Fields.Has(event.Cgroup) && e.Unit != nil }

// inUnit reports whether it is known which unit an open is of.
func inUnit(e *event.Event) bool { return unitKnown(e) && e.Unit.Name != "" }

func appendUnit(_ *rows, b []byte, e *event.Event) []byte { return append(b, e.Unit.Name...) }

func appendUnitText(r *rows, b []byte, e *event.Event) []byte {
	if !inUnit(e) {
		return append(b, '-')
	}
	return AppendEscaped(b, appendUnit(r, r.scratch[:0], e))
}

var unitFields = []field{
	{name: "unit", known: inUnit, value: appendUnit},
	{name: "unit_within", kind: list, optional: true, known: func(e *event.Event) bool {
		return inUnit(e) && e.Unit.Within != ""
	}, value: func(_ *rows, b []byte, e *event.Event) []byte { return append(b, e.Unit.Within...) }},
	{name: "unit_problem", optional: true, known: func(e *event.Event) bool {
		return !unitKnown(e)
	}, value: func(_ *rows, b []byte, _ *event.Event) []byte { return append(b, "unknown"...) }},
}
