package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A page shows a recording in a browser, whatever names are in it, and loads nothing else.
func TestPageInABrowser(t *testing.T) {
	notInGuests(t)
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skipf("NOT TESTED: %v (make deps-test)", err)
	}
	dir := t.TempDir()
	hostile := `</script><img src=x onerror=alert(1)>`
	recording, page := filepath.Join(dir, "r.osn"), filepath.Join(dir, "page.html")
	if r := ask(t, dir, "record", recording, "--", "sh", "-c", `cat "$0" none; true`, hostile); r.status != 0 {
		t.Fatal(r.stderr)
	}
	if r := ask(t, dir, "replay", recording, "--html", page); r.status != 0 || r.stdout != "" {
		t.Fatalf("status %d, %s%s", r.status, r.stdout, r.stderr)
	}
	wantError(t, ask(t, dir, "replay", recording, "--html", page), 1, "--force")
	wantError(t, ask(t, dir, "replay", recording, "--html", page, "-o", "json"), 2, "--html")
	text, err := os.ReadFile(page)
	if err != nil || len(text) > 1<<20 || strings.Contains(string(text), hostile) {
		t.Errorf("the page has %d bytes, %v; the name stands in it as it is: %v", len(text), err, strings.Contains(string(text), hostile))
	}
	cmd := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--no-first-run", "--user-data-dir="+filepath.Join(dir, "profile"), "--dump-dom", "file://"+page)
	r := runToEnd(t, cmd)
	for _, want := range []string{
		"&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;</td>", // as text
		dir + "/none</td>", ">ENOENT</td>", "<rect ", "<summary>", " rows</p>",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the page in the browser has no %s; %s", want, r.stderr)
		}
	}
}
