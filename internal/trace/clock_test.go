package trace

import (
	"testing"
	"time"
)

func TestClockOfATimeNamespace(t *testing.T) {
	for name, test := range map[string]struct{ at, before, after, want int64 }{
		"the same":           {150, 100, 200, 0},
		"the same, at once":  {100, 100, 100, 0},
		"another open later": {1000, 100, 200, 0},
		"ahead of ours":      {5e9, 100, 200, 5e9 - 200},
		"behind ours":        {100, 5e9, 5e9 + 100, -5e9},
	} {
		var c clock
		c.learn(test.at, test.before, test.after)
		if c.ahead != test.want {
			t.Errorf("%s: %d ns ahead, want %d", name, c.ahead, test.want)
		}
	}
}

func TestClockIsFollowedWhenItIsSet(t *testing.T) {
	var c clock
	boot := time.Unix(1_700_000_000, 0)
	for _, test := range []struct{ step, want time.Duration }{
		{0, 0},
		{time.Millisecond, 0},
		{-stepTime, 0},
		{time.Hour, time.Hour},
		{time.Hour + time.Millisecond, time.Hour},
		{-time.Hour, -time.Hour},
	} {
		c.set(boot.Add(test.step))
		if got := c.boot.Sub(boot); got != test.want {
			t.Errorf("set by %v: %v, want %v", test.step, got, test.want)
		}
	}
	// On a slow machine it may take some tries until nothing interrupts it.
	c.boot = time.Time{}
	for deadline := time.Now().Add(5 * time.Minute); c.boot.IsZero() && time.Now().Before(deadline); {
		c.update()
	}
	before := time.Now().Add(-time.Second)
	now := c.boot.Add(time.Duration(c.now()))
	if after := time.Now().Add(time.Second); now.Before(before) || now.After(after) {
		t.Errorf("it is %v, not between %v and %v", now, before, after)
	}
}
