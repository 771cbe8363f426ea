package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"syscall"
	"testing"
)

// Opens are of the unit that their cgroup is of, whether that was there at the start or came later.
func TestUnitsByCgroup(t *testing.T) {
	mount := cgroups(t)
	nginx := makeCgroup(t, mount, "system.slice/opensnoop-nginx.service")
	app := makeCgroup(t, mount, "user.slice/user-64321.slice/user@64321.service/app.slice/app-opensnoop@1.service")
	for filter, want := range map[string]string{
		"":                             "opensnoop-nginx.service /nginx, app-opensnoop@1.service /app, opensnoop-new.scope /new, - /none",
		"--unit=opensnoop-nginx":       "opensnoop-nginx.service /nginx",
		"--unit=opensnoop-new.scope":   "opensnoop-new.scope /new",
		"--unit=app-opensnoop@1":       "app-opensnoop@1.service /app",
		"--unit=user@64321.service":    "app-opensnoop@1.service /app",
		"--unit=user-64321.slice,none": "app-opensnoop@1.service /app",
		"--unit=none.service":          "",
	} {
		tr := startBare(t, append(strings.Fields(filter), "-n", openerComm, "--columns", "unit,file", "--path", "/[nan][gpeo]*")...)
		later := makeCgroup(t, mount, "system.slice/opensnoop-new.scope")
		openIn(t, nginx, "/nginx")
		openIn(t, app, "/app")
		openIn(t, later, "/new")
		openIn(t, makeCgroup(t, mount, "opensnoop-none"), "/none")
		if got := boxes(tr); got != want {
			t.Errorf("%q: %s, want %s; stderr %q", filter, got, want, tr.stderr)
		}
		os.Remove(later)
	}
	tr := startBare(t, "-o", "json", "--columns", "unit,file", "--unit", "app-opensnoop@1.service")
	openIn(t, app, "/app")
	want := `"unit":"app-opensnoop@1.service","unit_within":["user.slice","user-64321.slice","user@64321.service","app.slice"]`
	if got := strings.Join(tr.rest(), "\n"); !strings.Contains(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	wantError(t, runToEnd(t, exec.Command(opensnoop, "--unit", "/etc/x.service")), 2, "expected the name of a unit")
}

// putUnit writes a unit of the system's, or of users', into /run.
func putUnit(t *testing.T, folder, name, file string) {
	putState(t, "/run/systemd/"+folder+"/"+name, "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart="+opener+" names "+file+"\n")
}

// Real systemd runs services, instances of a template, scopes, services in a slice of their own,
// and a user's: each open is of the unit that systemd calls so.
func TestModesSystemd(t *testing.T) {
	if _, err := os.Stat("/run/systemd/system/guest-command.service"); err != nil {
		t.Skip("NOT TESTED: it is for guests that systemd runs")
	}
	nobody, err := user.Lookup("games")
	if err != nil {
		t.Fatal(err)
	}
	manager := "user@" + nobody.Uid + ".service"
	putUnit(t, "system", "opensnoop-a.service", "/unit-a")
	putUnit(t, "system", "opensnoop-t@.service", "/unit-t")
	putUnit(t, "system", `opensnoop-esc\x2daped.service`, "/unit-escaped")
	putUnit(t, "user", "opensnoop-u.service", "/unit-u")
	// systemd's own asks logind, which does not run.
	putState(t, "/run/systemd/system/user-runtime-dir@.service",
		"[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/install -d -m 700 -o %i /run/user/%i\n")
	putState(t, "/run/systemd/system/user@.service.d/opensnoop.conf",
		"[Unit]\nDefaultDependencies=no\n[Service]\nPAMName=\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n")
	runs(t, "systemctl", "daemon-reload")
	runs(t, "systemctl", "start", manager)
	t.Cleanup(func() { exec.Command("systemctl", "stop", manager).Run() })
	start := func() {
		runs(t, "systemctl", "start", "opensnoop-a.service", "opensnoop-t@x.service", `opensnoop-esc\x2daped.service`)
		runs(t, "systemd-run", "--scope", "--unit=opensnoop-s", "--slice=opensnoop-deep.slice", opener, "names", "/unit-s")
		cmd := exec.Command("systemctl", "--user", "start", "opensnoop-u.service")
		cmd.Env = []string{"PATH=/usr/bin:/bin", "XDG_RUNTIME_DIR=/run/user/" + nobody.Uid}
		var uid, gid uint32
		fmt.Sscan(nobody.Uid, &uid)
		fmt.Sscan(nobody.Gid, &gid)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	slices := func(names ...string) string { return strings.Join(names, " ") }
	users := slices("user.slice", "user-"+nobody.Uid+".slice", manager, "app.slice")
	want := map[string][2]string{
		"/unit-a":       {"opensnoop-a.service", "system.slice"},
		"/unit-t":       {"opensnoop-t@x.service", `system.slice system-opensnoop\x2dt.slice`},
		"/unit-escaped": {`opensnoop-esc\x2daped.service`, "system.slice"},
		"/unit-s":       {"opensnoop-s.scope", "opensnoop.slice opensnoop-deep.slice"},
		"/unit-u":       {"opensnoop-u.service", users},
		"/unit-own":     {"guest-command.service", "system.slice"},
	}
	tr := startBare(t, "-o", "json", "--columns", "unit,file", "--path", "/unit-*")
	runs(t, opener, "names", "/unit-own")
	start()
	got := make(map[string][2]string)
	for _, line := range tr.rest() {
		var row struct {
			File, Unit string
			Within     []string `json:"unit_within"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		got[row.File] = [2]string{row.Unit, slices(row.Within...)}
	}
	for file, unit := range want {
		if got[file] != unit {
			t.Errorf("%s is of %q, want %q", file, got[file], unit)
		}
	}
	for filter, want := range map[string]string{
		"opensnoop-a":          "opensnoop-a.service /unit-a",
		"opensnoop-t@x":        "opensnoop-t@x.service /unit-t",
		"opensnoop-u.service":  "opensnoop-u.service /unit-u",
		"opensnoop-deep.slice": "opensnoop-s.scope /unit-s",
	} {
		tr := startBare(t, "--columns", "unit,file", "--unit", filter, "--path", "/unit-*")
		start()
		if got := boxes(tr); got != want {
			t.Errorf("--unit %s: %s, want %s", filter, got, want)
		}
	}
}
