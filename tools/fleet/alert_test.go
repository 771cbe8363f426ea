package fleet

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Names of attributes are those of the conventions; the alert is of opens that were lost, and only
// then.
func TestAlertAndNames(t *testing.T) {
	for name, test := range map[string]struct {
		args  []string
		fires bool
	}{
		"lost": {[]string{"-b", "1"}, true},
		"none": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCollection(t, "files.yaml")
			prom := startPrometheus(t, c.port)
			p := trace(t, append([]string{"-w", c.path("rows"), "--rotate", "20M", "--columns", "ppid,user,exe,container,err,fd,path"}, test.args...)...)
			fires := func() bool { return strings.Contains(prom.alerts(), "OpensnoopLostOpens") }
			if test.fires {
				eventually(t, "a lost open", func() bool {
					exec.Command(opener, "flood", "200000", "/dev/null").Run()
					return fires()
				})
			} else {
				flood(t, 3, 2000)
				eventually(t, "the metric", func() bool {
					return strings.Contains(get(fmt.Sprintf("127.0.0.1:%d/metrics", c.port)), "opensnoop_rows_received")
				})
				before := prom.evaluations()
				eventually(t, "more evaluations", func() bool { return prom.evaluations() >= before+5 })
				if fires() {
					t.Errorf("it fires: %s", prom.alerts())
				}
			}
			p.end(t, syscall.SIGTERM)
			a := c.arrived(t)
			if fires := a.lost > 0; fires != test.fires && a.ended {
				t.Errorf("%d opens were lost", a.lost)
			}
			row := a.records[0]
			for _, name := range []string{"process.pid", "process.parent_pid", "process.executable.path", "process.real_user.name", "thread.id", "thread.name", "file.path", "opensnoop.fd"} {
				if row[name] == "" {
					t.Errorf("a row has no %s: %v", name, row)
				}
			}
			if row["file.path"] != "/dev/null" || row["thread.name"] != openerComm {
				t.Errorf("a row is %v", row)
			}
		})
	}
}

// get is what a server answers; "" if it does not.
func get(address string) string {
	reply, err := http.Get("http://" + address)
	if err != nil {
		return ""
	}
	defer reply.Body.Close()
	text, _ := io.ReadAll(reply.Body)
	return string(text)
}

// prometheus is a running one, by its address.
type prometheus string

// startPrometheus runs a real one with the rules of packaging/otel, which takes the collector's metrics.
func startPrometheus(t *testing.T, port int) prometheus {
	t.Helper()
	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%s]\nscrape_configs: [{job_name: fleet, honor_labels: true, static_configs: [{targets: ['127.0.0.1:%d']}]}]\n",
		absolute(t, packaging+"/otel/alerts.yaml"), port)
	if err := os.WriteFile(dir+"/config", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	prom := prometheus(fmt.Sprintf("127.0.0.1:%d", port+1))
	p := start(t, exec.Command("prometheus", "--config.file="+dir+"/config", "--storage.tsdb.path="+dir+"/data", "--web.listen-address="+string(prom)))
	eventually(t, "prometheus", func() bool {
		select {
		case <-p.ended:
			t.Fatalf("prometheus has ended: %s", p.stderr)
		default:
		}
		return strings.Contains(prom.alerts(), `"status":"success"`)
	})
	return prom
}

// alerts are those that fire, or soon will.
func (p prometheus) alerts() string { return get(string(p) + "/api/v1/alerts") }

var iterations = regexp.MustCompile(`(?m)^prometheus_rule_group_iterations_total\{.*\} (\d+)$`)

// evaluations is how often it has evaluated the group of rules that it has evaluated least.
func (p prometheus) evaluations() int {
	least := -1
	for _, m := range iterations.FindAllStringSubmatch(get(string(p)+"/metrics"), -1) {
		if n, _ := strconv.Atoi(m[1]); least < 0 || n < least {
			least = n
		}
	}
	return least
}
