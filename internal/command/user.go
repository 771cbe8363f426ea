package command

import (
	"fmt"
	"math"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// runAs is the user whose the command is; nil is this process's.
type runAs struct {
	user     *user.User
	uid, gid uint32
	groups   []uint32
}

// user returns the user who called sudo, if we run under it and for that user.
func (o Options) user() (*runAs, error) {
	text, given := os.LookupEnv("SUDO_UID")
	if o.AsRoot || os.Geteuid() != 0 || !given {
		return nil, nil
	}
	u, err := lookUp(text)
	if err != nil {
		return nil, fmt.Errorf("%w; --as-root runs the command as root", err)
	}
	if u.uid == 0 {
		return nil, nil
	}
	return u, nil
}

// lookUp returns the user with an id.
func lookUp(id string) (*runAs, error) {
	uid, err := parseID(id)
	if err != nil {
		return nil, fmt.Errorf("the user who called sudo has the odd id %q", id)
	}
	if uid == 0 {
		return &runAs{}, nil
	}
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return nil, fmt.Errorf("looking for the user %d who called sudo: %w", uid, err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("looking for the groups of %s: %w", u.Username, err)
	}
	as := &runAs{user: u, uid: uid}
	for _, id := range append([]string{u.Gid}, ids...) {
		gid, err := parseID(id)
		if err != nil {
			return nil, fmt.Errorf("the user %s is in a group of the odd id %q", u.Username, id)
		}
		as.groups = append(as.groups, gid)
	}
	as.gid, as.groups = as.groups[0], as.groups[1:]
	return as, nil
}

// parseID returns the number of a user or group. The largest of 32 bits is none: to
// the kernel it means no change (setresuid(2)), and the command would stay root's.
func parseID(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err == nil && n == math.MaxUint32 {
		err = strconv.ErrRange
	}
	return uint32(n), err
}

// ids are the user's as held.c takes them.
func (u *runAs) ids() string {
	if u == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d", u.uid, u.gid)
	for _, group := range u.groups {
		fmt.Fprintf(&b, " %d", group)
	}
	return b.String()
}

// environment returns an environment as the user's: with the user's name and home,
// and without sudo's traces.
func (u *runAs) environment(env []string) []string {
	if u == nil {
		return env
	}
	env = slices.DeleteFunc(env, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"HOME", "USER", "LOGNAME", "MAIL"}, name) || strings.HasPrefix(name, "SUDO_")
	})
	return append(env, "HOME="+u.user.HomeDir, "USER="+u.user.Username, "LOGNAME="+u.user.Username)
}
