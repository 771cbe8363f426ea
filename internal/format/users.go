package format

import (
	"os/user"
	"strconv"
	"time"
)

const (
	// usersMax is how many users' names are kept.
	usersMax = 4096

	// queueMax is how many users wait for the system's look-up at a time, and how many
	// others may be looked up meanwhile.
	queueMax = 64

	// waitMax is how long look-ups are waited for that come one after the other. In the
	// long run it is a waitPart-th of the time.
	waitMax  = 100 * time.Millisecond
	waitPart = 100
)

// Users looks up users' names and keeps them. A database that does not answer holds nobody
// up: a name that does not come in time is as if there were none, until it comes. It is not
// safe for concurrent use.
type Users struct {
	names  map[uint32]string
	asked  map[uint32]place // where those are looked for that are not found yet
	ask    chan uint32      // nil before the first
	found  chan found
	lookup [places]func(uid uint32) (name string) // empty if there is none
	spent  [places]budget
}

// place is where names are looked for, one after the other.
type place int

const (
	passwd   place = iota // in /etc/passwd
	database              // in all that the user database here consists of (nsswitch.conf(5)), such as a server
	places
)

// found is the end of a look-up at a place.
type found struct {
	uid  uint32
	name string
	at   place
}

// NewUsers returns a Users. A process in another user namespace may go by another name there.
func NewUsers() *Users { return newUsers(inPasswd, bySystem) }

func newUsers(inPasswd, inDatabase func(uid uint32) string) *Users {
	return &Users{
		names: map[uint32]string{}, asked: map[uint32]place{},
		lookup: [...]func(uint32) string{inPasswd, inDatabase},
	}
}

// Name returns a user's name; empty if there is none, or none yet. It allocates only for a
// user that it does not hold.
func (u *Users) Name(uid uint32) string {
	if name, ok := u.names[uid]; ok {
		return name
	}
	return u.lookUp(uid)
}

// lookUp has a user looked up, if nobody does so, and waits for that as long as may be waited.
func (u *Users) lookUp(uid uint32) string {
	if u.ask == nil {
		u.ask, u.found = make(chan uint32, 2*queueMax), make(chan found, 2*queueMax*places)
		go u.answer()
	}
	for len(u.found) > 0 {
		u.keep(<-u.found)
	}
	if _, ok := u.names[uid]; ok {
		return u.names[uid]
	}
	if _, ok := u.asked[uid]; !ok && len(u.asked) < cap(u.ask) {
		u.asked[uid] = passwd
		u.ask <- uid // there is room for as many as may be asked for
	}
	for at := range places {
		u.await(uid, at)
	}
	return u.names[uid]
}

// await waits for the end of a user's look-up at a place, if there is one.
func (u *Users) await(uid uint32, at place) {
	began := time.Now()
	late := time.After(u.spent[at].left(began))
	for {
		if now, ok := u.asked[uid]; !ok || now != at {
			break
		}
		select {
		case f := <-u.found:
			u.keep(f)
			continue
		case <-late:
		}
		break
	}
	u.spent[at].spend(began, time.Now())
}

// keep takes in the end of a look-up.
func (u *Users) keep(f found) {
	if f.name == "" && f.at+1 < places {
		u.asked[f.uid] = f.at + 1
		return
	}
	delete(u.asked, f.uid)
	if len(u.names) >= usersMax {
		clear(u.names)
	}
	u.names[f.uid] = f.name
}

// answer looks up who is asked for. While a look-up in the database does not end, those behind
// it wait, and those for whom there is no room have no name.
func (u *Users) answer() {
	others := make(chan uint32, queueMax)
	go func() {
		for uid := range others {
			u.found <- found{uid, u.lookup[database](uid), database}
		}
	}()
	for uid := range u.ask {
		name := u.lookup[passwd](uid)
		u.found <- found{uid, name, passwd}
		if name != "" {
			continue
		}
		select {
		case others <- uid:
		default:
			u.found <- found{uid, "", database}
		}
	}
}

// budget is how long may be waited for something again and again.
type budget struct {
	until time.Time // when all time that was waited will have been given back
}

// left is how long may be waited now.
func (b budget) left(now time.Time) time.Duration {
	return waitMax - max(b.until.Sub(now), 0)/waitPart
}

// spend notes that somebody waited.
func (b *budget) spend(from, to time.Time) {
	if b.until.Before(from) {
		b.until = from
	}
	b.until = b.until.Add(to.Sub(from) * waitPart)
}

func bySystem(uid uint32) string {
	found, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return ""
	}
	return found.Username
}
