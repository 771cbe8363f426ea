package compare

import (
	"path/filepath"
	"regexp"
	"strings"
)

// What differs between any two runs of a command is masked, by these rules:
//
//   - /proc/NUMBER and /proc/…/task/NUMBER become /proc/* and task/*, as /proc/self is shown.
//   - A file that was made under a name that was free (O_CREAT|O_EXCL, as mkstemp(3) does), and
//     which the other recording has not, becomes * with its ending, in its folder.
//   - A name right below /tmp, /var/tmp or /dev/shm that looks like mkdtemp(3)'s, and which the
//     other recording has not, becomes *.

// maskProcess masks numbers of processes and threads.
func maskProcess(path string) string {
	if !strings.HasPrefix(path, "/proc/") {
		return path
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if i > 1 && (i == 2 || parts[i-1] == "task") && strings.Trim(part, "0123456789") == "" {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}

// random matches a name with six random characters at least, as mkdtemp(3) makes them.
var random = regexp.MustCompile(`[A-Za-z0-9_]{6,}$`)

// temporaryFolders are those of whose names everybody may choose.
var temporaryFolders = []string{"/tmp/", "/var/tmp/", "/dev/shm/"}

// mask masks temporary names of two runs that only one of them has.
func (r *Run) mask(other *Run) {
	ours, theirs := r.paths(), other.paths()
	r.maskBy(theirs)
	other.maskBy(ours)
}

// paths are those of a run, with the first names below temporary folders.
func (r *Run) paths() map[string]bool {
	paths := make(map[string]bool, len(r.outcomes))
	for k := range r.outcomes {
		paths[k.path] = true
		if first := firstBelow(k.path); first != "" {
			paths[first] = true
		}
	}
	return paths
}

// maskBy masks what the other run, of these paths, has not.
func (r *Run) maskBy(theirs map[string]bool) {
	masked := map[key]outcomes{}
	for k, o := range r.outcomes {
		k.path = r.maskedPath(k.path, theirs)
		masked[k] |= o
	}
	r.outcomes = masked
}

func (r *Run) maskedPath(path string, theirs map[string]bool) string {
	if r.temporary[path] && !theirs[path] {
		path = filepath.Dir(path) + "/*" + filepath.Ext(path)
	}
	first := firstBelow(path)
	if first == "" || theirs[first] || !isRandom(filepath.Base(first)) {
		return path
	}
	return filepath.Dir(first) + "/*" + path[len(first):]
}

// firstBelow is the path of the first name below a temporary folder; "" for any other path.
func firstBelow(path string) string {
	for _, folder := range temporaryFolders {
		if rest, ok := strings.CutPrefix(path, folder); ok {
			name, _, _ := strings.Cut(rest, "/")
			return folder + name
		}
	}
	return ""
}

// isRandom reports whether a name, or what is before its ending, ends in characters of two kinds,
// which words do not.
func isRandom(name string) bool {
	return endsRandom(name) || endsRandom(strings.TrimSuffix(name, filepath.Ext(name)))
}

func endsRandom(name string) bool {
	end := random.FindString(name)
	if end == "" {
		return false
	}
	end = end[max(0, len(end)-8):]
	kinds := 0
	for _, set := range []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"} {
		if strings.ContainsAny(end, set) {
			kinds++
		}
	}
	return kinds > 1
}
