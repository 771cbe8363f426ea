package e2e

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// onTerminal is a shell script that runs on a terminal of its own.
type onTerminal struct {
	t     *testing.T
	cmd   *exec.Cmd
	shown *lockedBuffer
	in    io.WriteCloser // its keys
}

// startOnTerminal starts one; opensnoop is its $0.
func startOnTerminal(t *testing.T, script string) *onTerminal {
	t.Helper()
	if kprobes() {
		t.Skip("NOT TESTED: terminals are the same in guests, which are slow")
	}
	// script(1) makes the terminal, whose keys come from stdin.
	o := &onTerminal{t: t, cmd: exec.Command("script", "-qefc", `exec bash -c "$SCRIPT" "$OPENSNOOP"`, "/dev/null"), shown: &lockedBuffer{}}
	o.cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=1", "SCRIPT="+script, "OPENSNOOP="+opensnoop)
	o.cmd.Stdout = o.shown
	var err error
	if o.in, err = o.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.cmd.Process.Kill(); o.cmd.Wait() })
	return o
}

func (o *onTerminal) press(keys string) {
	o.t.Helper()
	if _, err := io.WriteString(o.in, keys); err != nil {
		o.t.Fatal(err)
	}
}

// await waits until something shows, behind the last of what was there before.
func (o *onTerminal) await(what string, behind ...string) {
	o.t.Helper()
	var rest string
	eventually(o.t, what, func() bool {
		rest = o.shown.String()
		for _, before := range behind {
			_, after, ok := strings.Cut(rest, before)
			if !ok {
				return false
			}
			rest = after
		}
		return strings.Contains(rest, what)
	})
}

const (
	enterPage = "\x1b[?1049h"
	leavePage = "\x1b[?1049l"
)

// A live summary has the terminal while it runs, and gives it back with q and with Ctrl-C.
func TestLiveSummary(t *testing.T) {
	for key, how := range map[string]string{"q": "q", "\x03": "Ctrl-C"} {
		t.Run(how, func(t *testing.T) {
			o := startOnTerminal(t, `exec "$0" --summary=live,0.1,file,user,program -n `+openerComm)
			o.await("q: quit")
			open(t, "names", "/live-1", "/live-2", "/live-1")
			o.await("/live-1")
			o.await(opener)
			o.press("ss")
			o.await("sorted by name")
			o.press("/live-2\r")
			o.await("only live-2")
			o.press(key)
			if status := wait(t, o.cmd); status != 0 {
				t.Errorf("status %d", status)
			}
			_, after, left := strings.Cut(o.shown.String(), leavePage)
			if !left || strings.Contains(after, "\x1b[?1049") || !strings.Contains(after, "/live-1\r\n") {
				t.Errorf("at the end it showed %q", after)
			}
		})
	}
}

// Who stops it has the terminal as it was, and it draws again when it goes on.
func TestLiveSummaryIsStopped(t *testing.T) {
	o := startOnTerminal(t, `set -m; "$0" --summary=live,0.1,file -n `+openerComm+`
		echo STOPPED; grep State: /proc/$(jobs -p)/status; stty -a; read x; echo GOES ON; fg; stty -a; echo END`)
	o.await("q: quit")
	o.press("\x1a") // Ctrl-Z
	o.await("T (stopped)", enterPage, leavePage, "STOPPED")
	o.await(" icanon", enterPage, leavePage, "STOPPED")
	o.await(" echo ", enterPage, leavePage, "STOPPED")
	o.press("\n")
	o.await("q: quit", "GOES ON", enterPage)
	open(t, "names", "/live-1")
	o.await("/live-1", "GOES ON")
	o.press("q")
	o.await(" icanon", "GOES ON", leavePage)
	o.await("END", "GOES ON", leavePage)
}

// Where no shell could continue it, it goes on.
func TestLiveSummaryIsNotStoppedForEver(t *testing.T) {
	o := startOnTerminal(t, `exec "$0" --summary=live,0.1,file -n `+openerComm)
	o.await("q: quit")
	o.press("\x1a")
	o.await("q: quit", enterPage, leavePage, enterPage)
	o.press("q")
	if status := wait(t, o.cmd); status != 0 {
		t.Errorf("status %d", status)
	}
}

// Messages have a line of the page, and are there when it is left.
func TestLiveSummaryShowsMessages(t *testing.T) {
	o := startOnTerminal(t, `exec "$0" --summary=live,0.1,file -b 1 -n `+openerComm)
	o.await("q: quit")
	eventually(t, "a message on the page", func() bool {
		open(t, "flood", "100000", floodFile)
		return strings.Contains(o.shown.String(), "lost ")
	})
	page := o.shown.String()
	if strings.Contains(page, "opensnoop: lost") || strings.Contains(page, leavePage) {
		t.Errorf("the message is not in a line of the page: %q", page)
	}
	o.press("q")
	wait(t, o.cmd)
	if _, after, _ := strings.Cut(o.shown.String(), leavePage); !strings.Contains(after, "opensnoop: lost") || !strings.Contains(after, " opens in all") {
		t.Errorf("at the end it showed %q", after)
	}
}
