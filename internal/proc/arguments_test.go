package proc

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

// This program is its own reader of arguments, and finds its own.
func TestAllArguments(t *testing.T) {
	const most = 20
	var found *Arguments
	err := AllArguments(most, 5*time.Minute, func(a Arguments) error {
		if len(a.Text) > most || a.Size == 0 {
			t.Errorf("%+v", a)
		}
		if int(a.PID) == os.Getpid() {
			found = &a
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []byte(strings.Join(os.Args, "\x00") + "\x00")
	if found == nil || int(found.Size) != min(len(want), argumentsMax) || !bytes.Equal(found.Text, want[:min(len(want), most)]) {
		t.Errorf("of this program: %+v, want %q", found, want)
	}
}

// What does not end is left.
func TestArgumentsThatTakeTooLong(t *testing.T) {
	began := time.Now()
	if err := AllArguments(10, 0, func(Arguments) error { return nil }); err != nil {
		t.Error(err)
	}
	if time.Since(began) > time.Minute {
		t.Error("it waited")
	}
}
