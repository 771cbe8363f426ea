package resolve

import "testing"

func TestUsersAreLookedUpOnce(t *testing.T) {
	lookups := 0
	u := NewUsers(func(uid uint32) string {
		lookups++
		if uid%2 == 1 {
			return ""
		}
		return "even"
	})
	for range 3 {
		if u.Name(1) != "" || u.Name(2) != "even" {
			t.Fatal("a wrong name")
		}
	}
	if lookups != 2 {
		t.Errorf("%d look-ups, want 2", lookups)
	}
	for uid := range uint32(3 * usersMax) {
		u.Name(uid)
		if len(u.names) > usersMax {
			t.Fatalf("%d names kept, want at most %d", len(u.names), usersMax)
		}
	}
}

func TestUser(t *testing.T) {
	if got := User(0); got != "root" {
		t.Errorf("user 0 is %q, want root", got)
	}
	if got := User(4294967294); got != "" {
		t.Errorf("user 4294967294 is %q, want none", got)
	}
}
