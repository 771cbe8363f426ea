package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The unit of packaging/systemd starts with the rights that it has, writes rows, loads its flags anew,
// and stops.
func TestModesSystemdService(t *testing.T) {
	if _, err := os.Stat("/run/systemd/system/guest-command.service"); err != nil {
		t.Skip("NOT TESTED: it is for guests that systemd runs")
	}
	const name = "opensnoop.service"
	unit, err := os.ReadFile("../../packaging/systemd/" + name)
	if err != nil {
		t.Fatal(err)
	}
	runs(t, "cp", opensnoop, "/usr/bin/opensnoop")
	flags := "output json\nstream\nname " + openerComm + "\n"
	putState(t, "/etc/opensnoop/flags", flags+"columns fd,err\n")
	putState(t, "/run/systemd/system/"+name, string(unit))
	runs(t, "systemctl", "daemon-reload")
	runs(t, "systemctl", "start", name)
	journal := func() string {
		out, _ := exec.Command("systemctl", "status", "--no-pager", name).CombinedOutput()
		return string(out)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(journal())
		}
		exec.Command("systemctl", "stop", name).Run()
	})
	rows := func() string {
		text, _ := os.ReadFile("/var/log/opensnoop/opens.jsonl")
		return string(text)
	}
	eventually(t, "the start record", func() bool { return strings.Contains(rows(), `"record":"start"`) })
	open(t, "names", "/by-the-service")
	eventually(t, "the row", func() bool { return strings.Contains(rows(), `"file":"/by-the-service"`) })
	putState(t, "/etc/opensnoop/flags", flags+"columns ppid\n")
	runs(t, "systemctl", "reload", name)
	eventually(t, "the second start record", func() bool { return strings.Count(rows(), `"record":"start"`) == 2 })
	open(t, "names", "/after-the-reload")
	eventually(t, "the row of the new flags", func() bool {
		for line := range strings.Lines(rows()) {
			if strings.Contains(line, `"/after-the-reload"`) && strings.Contains(line, `"ppid":`) {
				return true
			}
		}
		return false
	})
	runs(t, "systemctl", "stop", name)
	if text := rows(); strings.Count(text, `"record":"end"`) != 2 {
		t.Errorf("it holds %d bytes, which end with %q", len(text), text[max(0, len(text)-400):])
	}
	if state, _ := exec.Command("systemctl", "show", "-p", "Result", "--value", name).Output(); strings.TrimSpace(string(state)) != "success" {
		t.Errorf("its result is %s: %s", state, journal())
	}
}
