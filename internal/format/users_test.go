package format

import (
	"fmt"
	"testing"
	"time"
)

// patience is how long anything may take before a test fails.
const patience = time.Minute

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

func none(uint32) string { return "" }

func TestUsersAreLookedUpOnce(t *testing.T) {
	lookups := make(chan uint32, 1000)
	u := newUsers(func(uid uint32) string {
		lookups <- uid
		if uid%2 == 1 {
			return ""
		}
		return "even"
	}, none)
	for range 3 {
		eventually(t, "the names", func() bool { return u.Name(1) == "" && u.Name(2) == "even" })
	}
	eventually(t, "the end of the look-ups", func() bool { return u.Name(1) == "" && len(u.asked) == 0 })
	if len(lookups) != 2 {
		t.Errorf("%d look-ups, want 2", len(lookups))
	}
}

func TestUsersAreBounded(t *testing.T) {
	u := newUsers(func(uid uint32) string { return "somebody" }, none)
	for uid := range uint32(3 * usersMax) {
		u.Name(uid)
		if len(u.names) > usersMax {
			t.Fatalf("%d names kept, want at most %d", len(u.names), usersMax)
		}
	}
}

// A look-up that does not end keeps nobody's rows, nor other users' names.
func TestDatabaseThatHangs(t *testing.T) {
	hang := make(chan struct{})
	u := newUsers(func(uid uint32) string {
		if uid < 1000 {
			return fmt.Sprint("local", uid)
		}
		return ""
	}, func(uid uint32) string {
		<-hang
		return fmt.Sprint("remote", uid)
	})
	const users = 10 * queueMax
	for uid := range uint32(users) {
		if name := u.Name(1000 + uid); name != "" {
			t.Fatalf("%d is %q", 1000+uid, name)
		}
	}
	now := time.Now()
	if left := u.spent[database].left(now); left > waitMax/2 {
		t.Errorf("it would wait for %v more", left)
	}
	if left := u.spent[passwd].left(now); left < 0 {
		t.Errorf("it would not wait for names in passwd: %v", left)
	}
	eventually(t, "a local user's name", func() bool { return u.Name(7) == "local7" })
	close(hang)
	eventually(t, "the name of the first", func() bool { return u.Name(1000) == "remote1000" })
	eventually(t, "the end of the look-ups", func() bool { u.Name(1); return len(u.asked) == 0 })
}

// Time that passes is time to wait again, up to a limit.
func TestBudget(t *testing.T) {
	var p budget
	now := time.Now()
	for _, step := range []struct{ later, wait, left time.Duration }{
		{0, 0, waitMax},
		{0, waitMax / 2, waitMax/2 + waitMax/2/waitPart},
		{0, waitMax/2 + waitMax/2/waitPart, waitMax / 2 / waitPart / waitPart},
		{waitPart * waitMax / 4, 0, waitMax/4 + 500*time.Nanosecond/waitPart},
		{time.Hour, 0, waitMax},
		{0, 2 * waitMax, -waitMax + 2*waitMax/waitPart},
	} {
		now = now.Add(step.later)
		p.spend(now, now.Add(step.wait))
		now = now.Add(step.wait)
		if left := p.left(now); (left - step.left).Abs() > waitMax/waitPart {
			t.Errorf("%+v: %v left", step, left)
		}
	}
}

func TestUsersHere(t *testing.T) {
	u := NewUsers()
	eventually(t, "root's name", func() bool { return u.Name(0) == "root" })
	eventually(t, "that nobody is 4294967294", func() bool { return u.Name(4294967294) == "" && len(u.asked) == 0 })
	if got := bySystem(0); got != "root" {
		t.Errorf("user 0 is %q", got)
	}
}
