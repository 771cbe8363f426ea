package filter

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/bmatcuk/doublestar/v4"

	"opensnoop/internal/event"
)

// prefixMax is how much of a pattern the kernel compares, in bytes; what comes
// behind is compared here.
const prefixMax = 64

// Glob is a pattern of names. A * is any part of a name without a slash, ? one
// character, [a-z] one of several, {a,b} either; ** is any number of whole folders,
// so that /etc/** is /etc and all below. A backslash takes the meaning away.
// One that begins with a slash is for the absolute paths of files, any other for names as
// the program passed them.
type Glob struct {
	text    string // as it was given
	pattern string // as doublestar takes it
	literal string // what all names start with that it matches
	whole   bool   // and there is nothing else in it
	below   bool   // it is the literal, and all below
}

// Globs are patterns, any of which may match.
type Globs []Glob

// ParseGlob returns the pattern of a text.
func ParseGlob(text string) (Glob, error) {
	pattern := splitStars(text)
	meta := strings.IndexAny(text, `*?[{\`)
	switch {
	case text == "" || !doublestar.ValidatePattern(pattern):
		return Glob{}, fmt.Errorf("%q is no pattern of names: expected one such as /etc/** or *.conf, with every [ and { closed", text)
	case strings.ContainsRune(text, 0):
		return Glob{}, fmt.Errorf("%q holds a zero byte, which no name does", text)
	case meta >= 0 && !utf8.ValidString(text):
		return Glob{}, fmt.Errorf("%q is not UTF-8: only a whole name can be that, put ? in place of the odd bytes", text)
	}
	g := Glob{text: text, pattern: pattern}
	if meta < 0 {
		g.literal, g.whole = text, true
		return g, nil
	}
	g.literal = text[:meta]
	if strings.HasPrefix(text[meta:], "**") {
		// dir/** matches dir too.
		g.below = text[meta:] == "**" && strings.HasSuffix(g.literal, "/") && g.literal != "/"
		g.literal = strings.TrimSuffix(g.literal, "/")
	}
	return g, nil
}

// String returns the pattern as it was given.
func (g Glob) String() string { return g.text }

// splitStars makes each ** that is only a part of a folder's name, such as in
// **.conf, cross slashes too, which it does not in doublestar.
func splitStars(text string) string {
	if strings.ContainsAny(text, `\[{`) {
		return text
	}
	parts := strings.Split(text, "/")
	for i, part := range parts {
		before, after, found := strings.Cut(part, "**")
		if found && part != "**" {
			after = strings.TrimLeft(after, "*")
			// A comma would part the braces.
			before, after = strings.ReplaceAll(before, ",", `\,`), strings.ReplaceAll(after, ",", `\,`)
			if !strings.Contains(after, "**") {
				parts[i] = fmt.Sprintf("{%s*%s,%s*/**/*%s}", before, after, before, after)
			}
		}
	}
	return strings.Join(parts, "/")
}

// Match reports whether the pattern matches a name.
func (g Glob) Match(name []byte) bool {
	return g.match(unsafe.String(unsafe.SliceData(name), len(name)))
}

func (g Glob) match(name string) bool {
	if g.whole || !strings.HasPrefix(name, g.literal) {
		return name == g.literal
	}
	return doublestar.MatchUnvalidated(g.pattern, name)
}

// Match reports whether any of the patterns matches a name.
func (globs Globs) Match(name []byte) bool {
	for _, g := range globs {
		if g.Match(name) {
			return true
		}
	}
	return false
}

// byPath reports whether a glob is for absolute paths.
func (g Glob) byPath() bool { return strings.HasPrefix(g.text, "/") }

func (globs Globs) byPath() bool { return slices.ContainsFunc(globs, Glob.byPath) }

// of says whether these are globs of an event's file. Where no paths are known, which not every
// kernel tells, names stand in for them.
func (globs Globs) of(e *event.Event) Verdict {
	v := Drop
	for _, g := range globs {
		if g.byPath() && e.Fields.Has(event.Path) && e.Path.Problem != event.PathNoName {
			v = max(v, g.ofPlace(&e.Path))
		} else {
			v = max(v, g.ofName(e))
		}
	}
	return v
}

// ofName says whether it is a glob of an event's name. Where the kernel could not read the name
// either, there is none.
func (g Glob) ofName(e *event.Event) Verdict {
	switch {
	case e.NameKind == event.NameBad:
		return Drop
	case e.NameKind != event.NameRead:
		return Unsure
	case g.Match(e.Name):
		return Show
	}
	return Drop
}

// ofPlace says whether it is a glob of a file's path.
func (g Glob) ofPlace(p *event.Place) Verdict {
	switch {
	case p.Problem == event.PathNone || p.Problem == event.PathBad:
		return Drop
	case p.Problem == event.PathSpecial:
		return NoPath
	case !p.Problem.Absolute():
		return Unsure
	case g.Match(p.Known):
		return Show
	}
	return Drop
}

// ofPlace says whether these are globs of a file's path.
func (globs Globs) ofPlace(p *event.Place) Verdict {
	v := Drop
	for _, g := range globs {
		v = max(v, g.ofPlace(p))
	}
	return v
}

// ofReal says whether these are globs of the file that an event opened. It is not known which that
// is of opens through io_uring, of programs, and where the return was not seen.
func (globs Globs) ofReal(e *event.Event) Verdict {
	failed := e.Result < 0 && e.Result != event.ResultUnknown
	if e.Real.Problem == event.PathNone && !failed {
		return Unsure
	}
	return globs.ofPlace(&e.Real)
}

// having returns those that are for absolute paths, or the others.
func (globs Globs) having(byPath bool) Globs {
	return slices.DeleteFunc(slices.Clone(globs), func(g Glob) bool { return g.byPath() != byPath })
}

// kernelTops is an expression of C that holds for all topmost folders in which there is
// something that any of the patterns matches; "" if that are all.
func (globs Globs) kernelTops() string {
	var tops []string
	for _, g := range globs {
		rest, absolute := strings.CutPrefix(g.literal, "/")
		top, _, whole := strings.Cut(rest, "/")
		switch {
		case !absolute || top == "" || len(top) >= prefixMax:
			return ""
		case whole || g.whole || g.below:
			tops = append(tops, top+"\x00")
		default:
			tops = append(tops, top)
		}
	}
	var terms []string
	for _, top := range fewer(tops) {
		if top == "" {
			return ""
		}
		terms = append(terms, fmt.Sprintf("has_prefix(top, %s, %d)", literal(top), len(top)))
	}
	return strings.Join(terms, " || ")
}

// kernelAllows is an expression of C that holds for all names that any of the
// patterns matches; "" if that are all names. term makes it of a prefix.
func (globs Globs) kernelAllows(term func(prefix string) string) string {
	var prefixes []string
	for _, g := range globs {
		prefix := g.literal
		if g.whole {
			prefix += "\x00"
		}
		prefixes = append(prefixes, prefix[:min(len(prefix), prefixMax)])
	}
	var terms []string
	for _, prefix := range fewer(prefixes) {
		if prefix == "" {
			return ""
		}
		terms = append(terms, term(prefix))
	}
	return strings.Join(terms, " || ")
}

// termsMax is how many prefixes the kernel compares: each takes time to compile and to
// verify, and to compare at each open.
const termsMax = 8

// fewer returns at most termsMax prefixes, in order, such that whatever starts with one that
// is given starts with one of them.
func fewer(prefixes []string) []string {
	for length := prefixMax; ; length-- {
		var short, kept []string
		for _, prefix := range prefixes {
			short = append(short, prefix[:min(len(prefix), length)])
		}
		slices.Sort(short) // what starts with another comes behind it
		for _, prefix := range short {
			if len(kept) == 0 || !strings.HasPrefix(prefix, kept[len(kept)-1]) {
				kept = append(kept, prefix)
			}
		}
		if len(kept) <= termsMax {
			return kept
		}
	}
}

// kernelExcludes is an expression of C that holds only for names that some of the
// patterns matches; "" if there is none so simple.
func (globs Globs) kernelExcludes() string {
	var terms []string
	for _, g := range globs {
		switch {
		case g.whole && len(g.literal) < prefixMax:
			terms = append(terms, startsWith(g.literal+"\x00"))
		case g.below && len(g.literal) < prefixMax:
			terms = append(terms, startsWith(g.literal+"/"), startsWith(g.literal+"\x00"))
		}
	}
	// What the kernel lets through is compared again.
	terms = terms[:min(len(terms), termsMax)]
	return strings.Join(terms, " || ")
}

func startsWith(prefix string) string {
	return fmt.Sprintf("has_prefix(name, %s, %d)", literal(prefix), len(prefix))
}

// mayStart is the same of a path that the name may write with more slashes and dots.
func mayStart(prefix string) string {
	return fmt.Sprintf("may_have_prefix(name, %s, %d)", literal(prefix), len(prefix))
}
