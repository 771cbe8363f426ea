package filter

import (
	"errors"
	"fmt"
	"maps"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

// Value is how the values of a filter come in; pflag.Value is the same. Set may be called several
// times.
type Value interface {
	Set(text string) error
	String() string
	Type() string
}

// maxPID is the largest number of a process: PID_MAX_LIMIT of
// include/linux/threads.h, on 64-bit machines, is one more.
const maxPID = 1<<22 - 1

// PIDs are process ids, in several flags or one with commas.
type PIDs []uint32

func (p *PIDs) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		pid, err := strconv.ParseUint(part, 10, 32)
		if err != nil || pid == 0 || pid > maxPID {
			return pidError(text, part)
		}
		*p = append(*p, uint32(pid))
	}
	return nil
}

// pidError says what is wrong with part of a list of process ids, and what to do.
func pidError(text, part string) error {
	switch numbers := strings.Fields(text); {
	case text == "":
		return errors.New("no process id: if pgrep was to give one, it found none")
	case len(numbers) > 1:
		return fmt.Errorf("put commas between process ids: %s (pgrep -d,)", strings.Join(numbers, ","))
	case word().MatchString(part):
		return fmt.Errorf("not a process id: use -n %[1]s, or -p $(pgrep -d, %[1]s)", part)
	}
	return fmt.Errorf("not a process id: expected a number from 1 to %d, or several by commas", maxPID)
}

// word is what may be the name of a program.
var word = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][\w.:-]*$`) })

func (p *PIDs) String() string {
	parts := make([]string, len(*p))
	for i, pid := range *p {
		parts[i] = strconv.FormatUint(uint64(pid), 10)
	}
	return strings.Join(parts, ",")
}

func (*PIDs) Type() string { return "PID" }

// users are user ids, given by number or by name.
type users []uint32

func (u *users) Set(text string) error {
	return addIDs((*[]uint32)(u), text, "user", func(name string) (string, error) {
		found, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return found.Uid, nil
	})
}

// addIDs adds ids that are given by number or by name.
func addIDs(ids *[]uint32, text, what string, lookUp func(name string) (id string, err error)) error {
	for part := range strings.SplitSeq(text, ",") {
		id := part
		if _, err := strconv.ParseUint(part, 10, 32); err != nil {
			if id, err = lookUp(part); err != nil {
				return fmt.Errorf("there is no %s %q: expected a name or a number, or several by commas", what, part)
			}
		}
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return fmt.Errorf("the %s %q has the odd id %q", what, part, id)
		}
		*ids = append(*ids, uint32(n))
	}
	return nil
}

func (u *users) String() string { return (*PIDs)(u).String() }
func (*users) Type() string     { return "USER" }

// groups are group ids, given by number or by name.
type groups []uint32

func (g *groups) Set(text string) error {
	return addIDs((*[]uint32)(g), text, "group", func(name string) (string, error) {
		found, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return found.Gid, nil
	})
}

func (g *groups) String() string { return (*PIDs)(g).String() }
func (*groups) Type() string     { return "GROUP" }

// comms are parts of comms.
type comms []string

func (c *comms) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		if part == "" || len(part) >= event.CommSize || strings.ContainsRune(part, 0) {
			return fmt.Errorf("expected parts of names (comms), each of 1 to %d bytes, by commas", event.CommSize-1)
		}
		*c = append(*c, part)
	}
	return nil
}

func (c *comms) String() string { return strings.Join(*c, ",") }
func (*comms) Type() string     { return "COMM" }

// errnos are errors, given by symbol or by number.
type errnos []syscall.Errno

func (e *errnos) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		if n, err := strconv.ParseUint(part, 10, 12); err == nil && n > 0 {
			*e = append(*e, syscall.Errno(n))
			continue
		}
		n := slices.IndexFunc(ErrnoNames(), func(name string) bool { return name != "" && strings.EqualFold(name, part) })
		if n < 0 {
			if near := Nearest(strings.ToUpper(part), slices.DeleteFunc(ErrnoNames(), func(name string) bool { return name == "" })); near != "" {
				return fmt.Errorf("%q is no error: did you mean %s?", part, near)
			}
			return fmt.Errorf("%q is no error: expected one such as ENOENT, or its number", part)
		}
		*e = append(*e, syscall.Errno(n))
	}
	return nil
}

// ErrnoNames are the symbols of errors, by their numbers.
func ErrnoNames() []string {
	names := make([]string, 256)
	for n := range names {
		names[n] = unix.ErrnoName(syscall.Errno(n))
	}
	return names
}

func (e *errnos) String() string {
	parts := make([]string, len(*e))
	for i, n := range *e {
		parts[i] = unix.ErrnoName(n)
	}
	return strings.Join(parts, ",")
}

func (*errnos) Type() string { return "ERROR" }

// openFlags are flags of open(2), any of which an open must have.
type openFlags []Flag

func (f *openFlags) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		flag, known := flagFilters()[part]
		if !known {
			if near := Nearest(part, FlagNames()); near != "" {
				return fmt.Errorf("%q is no flag of open(2): did you mean %s?", part, near)
			}
			return fmt.Errorf("%q is no flag of open(2): expected one such as O_WRONLY or O_CREAT", part)
		}
		*f = append(*f, flag)
	}
	return nil
}

// FlagNames are the values of a filter by flags.
func FlagNames() []string { return slices.Sorted(maps.Keys(flagFilters())) }

// flagFilters are the filters for each flag of open(2). An access mode is a value
// of two bits, and not a bit: O_RDONLY is 0.
func flagFilters() map[string]Flag {
	filters := make(map[string]Flag)
	for _, mode := range event.AccessModes {
		filters[mode.Name] = Flag{Mask: unix.O_ACCMODE, Value: mode.Bits}
	}
	for _, flag := range event.OpenFlags {
		filters[flag.Name] = Flag{Mask: flag.Bits, Value: flag.Bits}
	}
	return filters
}

func (f *openFlags) String() string {
	parts := make([]string, len(*f))
	for i, flag := range *f {
		parts[i] = fmt.Sprintf("%#x", flag.Value)
	}
	return strings.Join(parts, ",")
}

func (*openFlags) Type() string { return "O_X" }

// Set adds a pattern, which may hold commas.
func (globs *Globs) Set(text string) error {
	if text == "~" || strings.HasPrefix(text, "~/") {
		return errors.New("only the shell knows what ~ is: leave it out of the quotes, or use $HOME")
	}
	glob, err := ParseGlob(text)
	if err != nil {
		return err
	}
	*globs = append(*globs, glob)
	return nil
}

func (globs *Globs) String() string {
	parts := make([]string, len(*globs))
	for i, glob := range *globs {
		parts[i] = glob.String()
	}
	return strings.Join(parts, " ")
}

// Type is what the flags of patterns take.
func (*Globs) Type() string { return "GLOB" }

// containerNames are names or ids of containers.
type containerNames []string

func (c *containerNames) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			return errors.New("expected the name of a container, or its id, or several by commas")
		}
		*c = append(*c, part)
	}
	return nil
}

func (c *containerNames) String() string { return strings.Join(*c, ",") }
func (*containerNames) Type() string     { return "CONTAINER" }

// unitNames are names of units of systemd's.
type unitNames []string

func (u *unitNames) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		if part == "" || strings.Contains(part, "/") {
			return errors.New("expected the name of a unit, such as nginx.service, or several by commas")
		}
		if !strings.Contains(part, ".") {
			part += ".service"
		}
		*u = append(*u, part)
	}
	return nil
}

func (u *unitNames) String() string { return strings.Join(*u, ",") }
func (*unitNames) Type() string     { return "UNIT" }

// Duration is a time: a number of seconds, or a duration as Go writes it.
type Duration time.Duration

func (s *Duration) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		d, err = time.ParseDuration(text + "s")
	}
	if err != nil || d <= 0 {
		return errors.New("expected a time above 0: seconds such as 10, or 1m30s")
	}
	*s = Duration(d)
	return nil
}

func (s *Duration) String() string {
	if *s == 0 {
		return ""
	}
	return time.Duration(*s).String()
}

func (*Duration) Type() string { return "TIME" }

// pinned is the path of a pinned BPF map.
type pinned string

func (p *pinned) Set(text string) error {
	if text == "" || strings.ContainsRune(text, 0) {
		return errors.New("expected the path of a pinned BPF map")
	}
	*p = pinned(text)
	return nil
}

func (p *pinned) String() string { return string(*p) }
func (*pinned) Type() string     { return "PATH" }
