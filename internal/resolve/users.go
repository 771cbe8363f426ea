// Package resolve finds names for numbers, each when it is first asked for, and
// keeps a bounded number of them.
package resolve

import (
	"os/user"
	"strconv"
)

// usersMax is how many users' names are kept.
const usersMax = 4096

// Users looks up users' names and keeps them. It is not safe for concurrent use.
type Users struct {
	names  map[uint32]string
	lookup func(uid uint32) string
}

// NewUsers returns a Users that keeps what lookup returns: a user's name, empty if
// there is none.
func NewUsers(lookup func(uid uint32) string) *Users {
	return &Users{map[uint32]string{}, lookup}
}

// Name returns a user's name; empty if there is none. It allocates only for a user
// that it does not hold.
func (u *Users) Name(uid uint32) string {
	name, ok := u.names[uid]
	if !ok {
		name = u.lookup(uid)
		if len(u.names) >= usersMax {
			clear(u.names)
		}
		u.names[uid] = name
	}
	return name
}

// User returns a user's name by the user database here; empty if there is none. A
// process in another user namespace may go by another name there.
func User(uid uint32) string {
	found, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return ""
	}
	return found.Username
}
