package e2e

import (
	"os"
	"os/exec"
	"strings"
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
