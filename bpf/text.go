package bpf

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// Program is a function that the kernel may run: it hands its context to the function on_… of its
// name. Context is what the kernel gives it, such as "pt_regs".
type Program struct{ Name, Context string }

// Text is the main file with the program's own headers in place of the directives that include them,
// less all that its programs do not use, with these programs at its end. What libbcc makes of maps and
// of calls of their methods, it does in a main file alone. defines are macros, as NAME=value; arch is
// the architecture by libbcc's name, such as "x86". All other headers stand in for the kernel's.
func Text(arch string, defines []string, programs []Program) (string, error) {
	parts, err := split(arch)
	if err != nil {
		return "", err
	}
	var end strings.Builder
	for _, p := range programs {
		fmt.Fprintf(&end, "int %s(struct %s *ctx) { return on_%[1]s(ctx); }\n", p.Name, p.Context)
	}
	keepUsed(parts, end.String())
	var text strings.Builder
	text.WriteString("// SPDX-License-Identifier: GPL-2.0-only\n")
	for _, define := range defines {
		name, value, _ := strings.Cut(define, "=")
		fmt.Fprintf(&text, "#define %s %s\n", name, value)
	}
	from := ""
	for _, p := range parts {
		if !p.used {
			continue
		}
		if p.file != from {
			from = p.file
			fmt.Fprintf(&text, "\n// ---- %s\n", from)
		}
		text.WriteString("\n" + p.text)
	}
	text.WriteString("\n" + end.String())
	return text.String(), nil
}

// part is a declaration of the source, with the comment before it, or several that belong together.
type part struct {
	file string
	text string
	code string // less comments
	used bool
}

var (
	ownHeader   = regexp.MustCompile(`(?m)^#include <((?:opensnoop/|asm/open\.h)[^>]*)>\n`)
	licence     = regexp.MustCompile(`(?m)^// SPDX-License-Identifier: .*\n`)
	guard       = regexp.MustCompile(`(?s)^\s*#ifndef (\w+)\n#define \w+\n(.*)#endif\s*$`)
	comments    = regexp.MustCompile(`(?m)//.*$`)
	conditional = regexp.MustCompile(`^#\s*(if|endif)`)
	identifier  = regexp.MustCompile(`[A-Za-z_]\w*`)
)

// split splits the source into parts, each header where it is first included.
func split(arch string) ([]*part, error) {
	var parts []*part
	seen := make(map[string]bool)
	var add func(file, text string) error
	add = func(file, text string) error {
		text = licence.ReplaceAllString(text, "")
		if m := guard.FindStringSubmatch(text); m != nil {
			text = m[2]
		}
		for _, match := range ownHeader.FindAllStringSubmatch(text, -1) {
			name := match[1]
			if seen[name] {
				continue
			}
			seen[name] = true
			path := "include/" + name
			if strings.HasPrefix(name, "asm/") {
				path = "arch/" + arch + "/include/" + name
			}
			header, err := fs.ReadFile(Headers(), path)
			if err != nil {
				return fmt.Errorf("finding a header of the BPF program: %w", err)
			}
			if err := add(name, string(header)); err != nil {
				return err
			}
		}
		parts = append(parts, declarations(file, ownHeader.ReplaceAllString(text, ""))...)
		return nil
	}
	return parts, add("opensnoop.c", Source)
}

// declarations splits a file where a line is empty, outside of all braces and conditions.
func declarations(file, text string) (parts []*part) {
	var lines []string
	depth := 0
	end := func() {
		if len(lines) > 0 {
			text := strings.Join(lines, "")
			parts = append(parts, &part{file: file, text: text, code: comments.ReplaceAllString(text, "")})
		}
		lines = nil
	}
	for line := range strings.Lines(text) {
		if line == "\n" && depth == 0 {
			end()
			continue
		}
		lines = append(lines, line)
		code := comments.ReplaceAllString(line, "")
		depth += strings.Count(code, "{") - strings.Count(code, "}")
		if m := conditional.FindStringSubmatch(code); m != nil {
			if depth++; m[1] == "endif" {
				depth -= 2
			}
		}
	}
	end()
	return parts
}

// keepUsed marks the parts that a text uses, or what it uses. Of a name, all parts are used that
// declare it.
func keepUsed(parts []*part, text string) {
	declared := make(map[string][]*part)
	for _, p := range parts {
		for _, name := range p.names() {
			declared[name] = append(declared[name], p)
		}
	}
	var use func(code string)
	use = func(code string) {
		for _, name := range identifier.FindAllString(code, -1) {
			for _, p := range declared[name] {
				if !p.used {
					p.used = true
					use(p.code)
				}
			}
		}
	}
	use(text)
	// What declares nothing, as directives and comments on a file, goes with the file.
	files := make(map[string]bool)
	for _, p := range parts {
		files[p.file] = files[p.file] || p.used
	}
	for _, p := range parts {
		p.used = p.used || files[p.file] && len(p.names()) == 0
	}
}

// What declares names, and where these stand.
var declares = []*regexp.Regexp{
	regexp.MustCompile(`(?m)^\s*#define (\w+)`),
	regexp.MustCompile(`(?m)^(?:struct|enum) (\w+) \{`),
	regexp.MustCompile(`(?m)^static [^=;{(]*?\b(\w+)(?:\(| =|\[)`),
	regexp.MustCompile(`(?m)^BPF_(?:ARRAY|HASH|PERCPU_ARRAY|PROG_ARRAY|PERF_OUTPUT)\((\w+)`),
	regexp.MustCompile(`(?m)^BPF_(?:F_)?TABLE\("\w+", [^,]+, [^,]+, (\w+)`),
}

var enumeration = regexp.MustCompile(`(?s)^enum \w* ?\{(.*?)\}`)

// names are those that a part declares.
func (p *part) names() (names []string) {
	for _, pattern := range declares {
		for _, m := range pattern.FindAllStringSubmatch(p.code, -1) {
			names = append(names, m[1])
		}
	}
	if m := enumeration.FindStringSubmatch(strings.TrimSpace(p.code)); m != nil {
		for value := range strings.SplitSeq(m[1], ",") {
			if name := identifier.FindString(value); name != "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
