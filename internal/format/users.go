package format

import (
	"os/user"
	"strconv"
)

// usersMax is how many users' names are kept.
const usersMax = 4096

// users looks up users' names and keeps them. A name is that of the user database
// here: a process in another user namespace may go by another one there.
type users struct {
	names  map[uint32]string
	lookup func(uid uint32) string
}

func newUsers() users {
	return users{map[uint32]string{}, lookupUser}
}

// name returns a user's name; empty if there is none.
func (u *users) name(uid uint32) string {
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

func lookupUser(uid uint32) string {
	found, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return ""
	}
	return found.Username
}
