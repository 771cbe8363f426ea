package bcc

import (
	"regexp"
	"strings"
)

// Prune returns C code without those of its static functions that neither it nor the compiler's flags
// mention: libbcc parses all that is there three times. It takes code in which a function's braces stand
// alone on their lines, and nothing else's do. The comment above a function goes with it.
func Prune(code string, flags []string) string {
	parts := split(code)
	functions := make(map[string][]int) // where those of a name are
	for i, p := range parts {
		if p.function != "" {
			functions[p.function] = append(functions[p.function], i)
		}
	}
	used := make([]bool, len(parts))
	var use func(text string)
	use = func(text string) {
		for line := range strings.Lines(text) {
			if code, _, _ := strings.Cut(line, "//"); !strings.Contains(code, `"`) { // else // may be in a literal
				line = code
			}
			for word := range strings.FieldsFuncSeq(line, inNoWord) {
				for _, i := range functions[word] {
					if !used[i] {
						used[i] = true
						use(parts[i].text)
					}
				}
			}
		}
	}
	use(strings.Join(flags, " "))
	for i, p := range parts {
		if p.function == "" {
			used[i] = true
			use(p.text)
		}
	}
	var kept strings.Builder
	kept.Grow(len(code))
	for i, p := range parts {
		if used[i] {
			kept.WriteString(p.text)
		}
	}
	return kept.String()
}

// inNoWord reports whether a letter is none of a name in C.
func inNoWord(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// part is a static function with the comment above it, or what is between two.
type part struct{ function, text string }

// head is the first line of a static function.
var head = regexp.MustCompile(`^static [^(;=]*?(\w+)\(`)

// split splits code into its parts.
func split(code string) (parts []part) {
	var between, comment, function strings.Builder
	name, body := "", false
	for line := range strings.Lines(code) {
		if name == "" && strings.HasPrefix(line, "static ") && !strings.HasSuffix(line, ";\n") {
			if found := head.FindStringSubmatch(line); found != nil {
				name = found[1]
				function.WriteString(comment.String())
				comment.Reset()
			}
		}
		switch {
		case name == "" && strings.HasPrefix(line, "//"):
			comment.WriteString(line)
		case name == "":
			between.WriteString(comment.String())
			comment.Reset()
			between.WriteString(line)
		default:
			function.WriteString(line)
			body = body || line == "{\n"
			declared := !body && strings.HasSuffix(line, ";\n") // only
			if line == "}\n" || declared {
				parts = append(parts, part{"", between.String()})
				if declared {
					name = ""
				}
				parts = append(parts, part{name, function.String()})
				between.Reset()
				function.Reset()
				name, body = "", false
			}
		}
	}
	return append(parts, part{"", between.String() + comment.String() + function.String()})
}
