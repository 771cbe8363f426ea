package cli

import (
	"errors"
	"fmt"
	"maps"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/spell"
)

// The values of flags that filter, as pflag.Value. Each may be given several times.

// users are user ids, given by number or by name.
type users []uint32

func (u *users) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		id := part
		if _, err := strconv.ParseUint(part, 10, 32); err != nil {
			found, err := user.Lookup(part)
			if err != nil {
				return fmt.Errorf("there is no user %q: expected a name or a number, or several by commas", part)
			}
			id = found.Uid
		}
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return fmt.Errorf("the user %q has the odd id %q", part, id)
		}
		*u = append(*u, uint32(n))
	}
	return nil
}

func (u *users) String() string { return (*pids)(u).String() }
func (*users) Type() string     { return "USER" }

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
		n := slices.IndexFunc(errnoNames(), func(name string) bool { return name != "" && strings.EqualFold(name, part) })
		if n < 0 {
			if near := spell.Nearest(strings.ToUpper(part), slices.DeleteFunc(errnoNames(), func(name string) bool { return name == "" })); near != "" {
				return fmt.Errorf("%q is no error: did you mean %s?", part, near)
			}
			return fmt.Errorf("%q is no error: expected one such as ENOENT, or its number", part)
		}
		*e = append(*e, syscall.Errno(n))
	}
	return nil
}

// errnoNames are the symbols of errors, by their numbers.
func errnoNames() []string {
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
type openFlags []filter.Flag

func (f *openFlags) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		filter, known := flagFilters()[part]
		if !known {
			if near := spell.Nearest(part, slices.Sorted(maps.Keys(flagFilters()))); near != "" {
				return fmt.Errorf("%q is no flag of open(2): did you mean %s?", part, near)
			}
			return fmt.Errorf("%q is no flag of open(2): expected one such as O_WRONLY or O_CREAT", part)
		}
		*f = append(*f, filter)
	}
	return nil
}

// flagFilters are the filters for each flag of open(2). An access mode is a value
// of two bits, and not a bit: O_RDONLY is 0.
func flagFilters() map[string]filter.Flag {
	filters := make(map[string]filter.Flag)
	for _, mode := range event.AccessModes {
		filters[mode.Name] = filter.Flag{Mask: unix.O_ACCMODE, Value: mode.Bits}
	}
	for _, flag := range event.OpenFlags {
		filters[flag.Name] = filter.Flag{Mask: flag.Bits, Value: flag.Bits}
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

// globs are patterns of names. They may hold commas.
type globs filter.Globs

func (g *globs) Set(text string) error {
	if text == "~" || strings.HasPrefix(text, "~/") {
		return errors.New("only the shell knows what ~ is: leave it out of the quotes, or use $HOME")
	}
	glob, err := filter.ParseGlob(text)
	if err != nil {
		return err
	}
	*g = append(*g, glob)
	return nil
}

func (g *globs) String() string {
	parts := make([]string, len(*g))
	for i, glob := range *g {
		parts[i] = glob.String()
	}
	return strings.Join(parts, " ")
}

func (*globs) Type() string { return "GLOB" }

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

// leaveOutSystem adds what --no-system leaves out to the filter. A container's runtime is not shown as
// the container either, unless its name is asked for.
func (f *flags) leaveOutSystem() error {
	t := &f.trace.Filter
	if f.noSystem {
		globs, err := filter.SystemGlobs()
		if err != nil {
			return err
		}
		t.ExcludedPaths = append(t.ExcludedPaths, globs...)
	}
	asked := slices.ContainsFunc(t.Comms, func(part string) bool { return strings.Contains(part, "runc") })
	if (f.noSystem || t.ByContainer()) && !asked {
		t.ExcludedComms = append(t.ExcludedComms, filter.SystemComms...)
	}
	return nil
}
