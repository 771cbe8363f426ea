package compare

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// What differs between any two runs of a command is masked, in paths of files and of programs, by
// these rules:
//
//   - /proc/NUMBER and /proc/…/task/NUMBER become /proc/* and task/*, as /proc/self is shown.
//   - A file that was made under a name that was free (O_CREAT|O_EXCL, as mkstemp(3) does), and
//     which the other recording has not, becomes * with its ending, in its folder. One of six
//     characters or more may be random itself, and goes too.
//   - A name right below /tmp, /var/tmp or /dev/shm that looks like mkdtemp(3)'s, Python's or
//     Go's, and which the other recording has not, becomes *.

// maskProcess masks numbers of processes and threads.
func maskProcess(path []byte) []byte {
	if !bytes.HasPrefix(path, []byte("/proc/")) {
		return path
	}
	parts := strings.Split(string(path), "/")
	for i, part := range parts {
		if i > 1 && (i == 2 || parts[i-1] == "task") && part != "" && strings.Trim(part, "0123456789") == "" {
			parts[i] = "*"
		}
	}
	return []byte(strings.Join(parts, "/"))
}

// random matches a name with six random characters at least, as mkdtemp(3) makes them.
var random = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[A-Za-z0-9_]{6,}$`) })

// python matches the names of Python's tempfile, whose characters may all be of one kind.
var python = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^tmp[a-z0-9_]{8}$`) })

// temporaryFolders are those of whose names everybody may choose.
var temporaryFolders = []string{"/tmp/", "/var/tmp/", "/dev/shm/"}

// mask masks temporary names that only one of the runs has.
func (d *Diff) mask() error {
	both, err := d.inBoth()
	if err != nil {
		return err
	}
	for key := range d.keys.set.len() { // those that masks add are not looked at
		o := *d.runs.at(key)
		program, path := d.keys.of(key)
		by := d.keys.programs.text(program)
		masked, maskedBy := d.masked(path, both), d.masked(by, both)
		if bytes.Equal(masked, path) && bytes.Equal(maskedBy, by) {
			continue
		}
		if program, _, err = d.keys.programs.add(maskedBy); err != nil {
			return err
		}
		*d.runs.at(key) = [2]outcomes{}
		for run := range o {
			if err := d.add(program, masked, run, o[run]); err != nil {
				return err
			}
		}
	}
	return nil
}

// inBoth returns what may be temporary and is in both runs: paths that were made, and first names
// below temporary folders, of programs too.
func (d *Diff) inBoth() (both *set, err error) {
	runs := [2]*set{d.sets.set(), d.sets.set()}
	for key := range d.keys.set.len() {
		program, path := d.keys.of(key)
		for run, o := range d.runs.at(key) {
			if o == 0 {
				continue
			}
			for _, path := range [][]byte{path, d.keys.programs.text(program)} {
				if d.made.has(path) {
					_, _, err = runs[run].add(path)
				}
				if first := firstBelow(path); first != nil && err == nil {
					_, _, err = runs[run].add(first)
				}
				if err != nil {
					return nil, err
				}
			}
		}
	}
	both = d.sets.set()
	for number := range runs[0].len() {
		if text := runs[0].text(number); runs[1].has(text) {
			if _, _, err := both.add(text); err != nil {
				return nil, err
			}
		}
	}
	return both, nil
}

// masked returns a path with its temporary names masked.
func (d *Diff) masked(path []byte, both *set) []byte {
	if d.made.has(path) && !both.has(path) {
		path = []byte(filepath.Dir(string(path)) + "/*" + ending(string(path)))
	}
	first := firstBelow(path)
	if first == nil || both.has(first) || !isRandom(filepath.Base(string(first))) {
		return path
	}
	return append([]byte(filepath.Dir(string(first))+"/*"), path[len(first):]...)
}

// ending is what a file's name ends in, if that is so short that it is not random itself, as in
// mktemp(1)'s tmp.XXXXXXXXXX.
func ending(path string) string {
	if ext := filepath.Ext(path); len(ext) <= 6 {
		return ext
	}
	return ""
}

// firstBelow is the path of the first name below a temporary folder; nil for any other path.
func firstBelow(path []byte) []byte {
	for _, folder := range temporaryFolders {
		if rest, ok := bytes.CutPrefix(path, []byte(folder)); ok {
			name, _, _ := bytes.Cut(rest, []byte("/"))
			return path[:len(folder)+len(name)]
		}
	}
	return nil
}

// isRandom reports whether a name, or what is before its ending, ends in characters of two kinds,
// or in digits, as Go's os.MkdirTemp makes them: words do not.
func isRandom(name string) bool {
	return python().MatchString(name) || endsRandom(name) || endsRandom(strings.TrimSuffix(name, filepath.Ext(name)))
}

func endsRandom(name string) bool {
	end := random().FindString(name)
	if end == "" {
		return false
	}
	end = end[max(0, len(end)-8):]
	kinds := 0
	if strings.Trim(end, "0123456789") == "" {
		return true
	}
	for _, set := range []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"} {
		if strings.ContainsAny(end, set) {
			kinds++
		}
	}
	return kinds > 1
}
