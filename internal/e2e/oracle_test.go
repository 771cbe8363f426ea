package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// siegeRow is a row with all that may be told of attackers.
type siegeRow struct {
	pathed
	Error            *string `json:"error"`
	BadAddress       *string `json:"bad_address"`
	Container        *struct{ Name, Runtime, ID string }
	ContainerProblem string `json:"container_problem"`
}

// verdict is a row, and why it cannot be so.
type verdict struct {
	*siegeRow
	base string // the attackers' folder
	why  string
}

// refute notes why a row is not so.
func (v *verdict) refute(format string, args ...any) {
	if v.why == "" {
		v.why = fmt.Sprintf(format, args...)
	}
}

// judge returns whose row it is and why that cannot be so, or nothing.
func (s *siege) judge(line []byte) string {
	const most = 64 << 10
	if len(line) > most {
		return fmt.Sprintf("row: it has %d bytes", len(line))
	}
	v := &verdict{siegeRow: &siegeRow{}, base: s.base}
	if err := json.Unmarshal(line, v.siegeRow); err != nil {
		return "row: " + err.Error()
	}
	comm, ours := strings.CutPrefix(v.Comm, hostilePrefix)
	i := slices.IndexFunc(s.attacks, func(a attack) bool { return a.comm == comm })
	if !ours || i < 0 {
		return "row: it is of no attacker"
	}
	s.attacks[i].judge(v)
	if v.why == "" {
		return ""
	}
	return comm + ": " + v.why
}

// exact is a text that may have its bytes beside it.
func exact(text, bytes *string) string {
	if bytes != nil {
		if b, err := base64.StdEncoding.DecodeString(*bytes); err == nil {
			return string(b)
		}
	}
	if text != nil {
		return *text
	}
	return ""
}

// name is the row's name, if it has one and that is known.
func (v *verdict) name() (name string, known bool) {
	if v.UnreadName != nil || v.BadAddress != nil || v.File == nil {
		return "", false
	}
	return exact(v.File, v.FileExact), true
}

// path is the row's path, if that is shown as exact.
func (v *verdict) path() (path string, known bool) {
	return exact(v.Path, v.PathExact), v.Path != nil && v.Problem == ""
}

// real is the path of what was opened, the same way.
func (v *verdict) real() (path string, known bool) {
	return exact(v.Real, v.RealExact), v.Real != nil && v.RealProblem == ""
}

// only refutes a row that has another name than one of these.
func (v *verdict) only(names ...string) {
	if name, known := v.name(); known && !slices.Contains(names, name) {
		v.refute("the name is %q", name)
	}
}

// below refutes a row whose path is not as the expression has it below the attackers' folder.
func (v *verdict) below(pattern string) {
	if path, known := v.path(); known && !regexp.MustCompile("^"+regexp.QuoteMeta(v.base)+pattern+"$").MatchString(path) {
		v.refute("the path is %q", path)
	}
}

// agree refutes a row whose path is not that of what was opened: no links are there.
func (v *verdict) agree() {
	path, known := v.path()
	if real, opened := v.real(); known && opened && real != path {
		v.refute("the path is %q, and what was opened %q", path, real)
	}
}

func judgeFull(v *verdict) {
	name, known := v.name()
	last := strings.TrimLeft(name, "./")
	length, isAbsent := strings.CutPrefix(last, "absent-")
	n, _ := strconv.Atoi(length)
	if known && last != "proc/self/fd/9" && (!isAbsent || n != len(name)) {
		v.refute("the name of %d bytes is %q", len(name), name)
	}
	if real, opened := v.real(); opened {
		v.refute("a memfd has the path %q", real)
	}
	if exe := exact(v.Exe, nil); exe != "" && v.ExeProblem == "" && !strings.HasSuffix(exe, "/x") {
		v.refute("the program is %q", exe)
	}
}

func judgeFUSE(v *verdict) {
	name, known := v.name()
	number, found := strings.CutPrefix(name, "/hostile/fuse-")
	n, err := strconv.Atoi(number)
	if known && (!found || err != nil || n%3 == 0) {
		v.refute("the name is %q", name)
	}
}

func judgeRace(v *verdict) {
	name, known := v.name()
	if known && name != "f" && !regexp.MustCompile("^"+regexp.QuoteMeta(v.base)+`/name\d+/[AB]/f$`).MatchString(name) {
		v.refute("the name is %q", name)
	}
	v.below(`/(cwd|descriptor|name)\d+/[AB]/f`)
	if name == "f" || kprobes() { // docs/coverage-and-losses.md: tracepoints cannot tell that a name was rewritten
		v.agree()
	}
}

func judgeMoves(v *verdict) {
	v.only("absent")
	v.below(`/moves\d+/[ab]/in/absent`)
}

func judgeDeep(v *verdict) {
	name, named := v.name()
	path, known := v.path()
	if named {
		v.below(`/deep\d+/[d/]+/absent-\d+`)
		if n, err := strconv.Atoi(strings.TrimPrefix(name, "absent-")); err != nil || known && len(path) != n+1+len(name) {
			v.refute("the path of %d bytes is %q, of %q", len(path), path, name)
		}
	}
}

func judgeBlocked(v *verdict) {
	if name, known := v.name(); known && (filepath.Base(name) != "fifo" || !strings.HasPrefix(name, v.base+"/blocked")) {
		v.refute("the name is %q", name)
	}
	v.below(`/blocked\d+/fifo`)
	v.agree()
}

func judgeBrief(v *verdict) { v.only("/hostile/brief") }

func judgeFlood(v *verdict) {
	v.only("/dev/null")
	v.agree()
}

func judgeOdd(v *verdict) {
	if name, known := v.name(); known && !strings.HasPrefix(name, "/hostile/odd-") {
		v.refute("the name is %q", name)
	}
}

func judgeHop(v *verdict) {
	name, known := v.name()
	number, found := strings.CutPrefix(name, "/hostile/hop-")
	switch {
	case known && !found:
		v.refute("the name is %q", name)
	case v.Container != nil && v.Container.Name != "" && v.Container.Name != v.Comm+"-"+number:
		v.refute("it is of the container %q", v.Container.Name)
	}
}

func judgeBomb(v *verdict) {
	name, known := v.name()
	number, found := strings.CutPrefix(name, "/hostile/bomb-")
	switch {
	case known && !found:
		v.refute("the name is %q", name)
	case v.Container != nil && len(v.Container.Name) > 4096:
		v.refute("the container's name has %d bytes", len(v.Container.Name))
	case v.Container != nil && strings.HasPrefix(v.Container.Name, "bomb-") && v.Container.Name != "bomb-"+number:
		v.refute("it is of the container %q", v.Container.Name)
	}
}
