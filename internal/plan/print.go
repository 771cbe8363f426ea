package plan

import (
	"cmp"
	"fmt"
	"strings"

	"opensnoop/internal/probe"
)

// String is the plan in words, a decision a line.
func (p *Plan) String() string {
	var b strings.Builder
	line := func(what string, text string, args ...any) { fmt.Fprintf(&b, what+": "+text+"\n", args...) }
	line("probe", "%s", p.Probe.Name)
	line("records hold", "%s", cmp.Or(p.Fields.Names(), "what all do"))
	for _, group := range []struct {
		name  string
		hooks []probe.Hook
	}{
		{"cgroups", p.Cgroups}, {"followed", p.Followed}, {"ends", p.Ends}, {"arguments", p.Arguments}, {"opens", p.Opens}, {"io_uring", p.IOUring},
	} {
		for i := range group.hooks {
			line(group.name, "%s", describe(&group.hooks[i]))
		}
	}
	if p.NoIOUring != nil {
		line("io_uring", "none, as %v", p.NoIOUring)
	}
	for _, t := range p.Tails {
		text := fmt.Sprintf("%s by %s (%s)", t.Name(), t.Array, t.Kind)
		if t.Copy != "" {
			text += ", a copy of " + t.Program
		}
		if t.Later {
			text += ", later"
		}
		line("tail call", "%s", text)
	}
	if p.Locks != nil {
		line("walks compare", "rename_lock and mount_lock")
	}
	for _, macro := range p.Macros {
		line("macro", "%s", macro)
	}
	for _, f := range p.Types {
		of := strings.Join(append([]string{f.Structure}, f.Members...), ".")
		if f.Tracepoint != "" {
			of = "arguments of " + f.Tracepoint
		}
		if f.Optional {
			of += ", if it is there"
		}
		line("type", "%s is %s", f.Macro, of)
	}
	for _, what := range p.NotShown {
		line("not shown", "%s", what)
	}
	return b.String()
}

// describe says what a hook does.
func describe(h *probe.Hook) string {
	text := h.Program + " by " + h.Describe(strings.Join(h.At, " or "))
	if h.Optional {
		text += ", optional"
	}
	if h.FallbackFor != "" {
		text += ", if " + h.FallbackFor + " is not attached"
	}
	return text
}
