// Package fleet tests what the files in packaging promise of many machines: rows that can be
// counted where they arrive. It is a module of its own, so that the product needs none of a
// collector's modules.
package fleet

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

var (
	collectorPath = flag.String("collector", "../../.cache/fleet/collector", "the collector's program")
	rounds        = flag.Int("rounds", 3, "how often a collector is stopped")
)

const (
	packaging = "../../packaging"
	patience  = 2 * time.Minute
)

// opener has a name that no other suite's has.
var (
	openerComm = fmt.Sprint("fleet", os.Getpid())
	opener     string
)

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "fleet")
	if err == nil {
		opener = filepath.Join(dir, openerComm)
		err = exec.Command("cp", "../../bin/opener", opener).Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "make test-fleet builds what is opened by:", err)
		os.Exit(1)
	}
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// absolute is for programs that run in another folder.
func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("make test-fleet builds it: %v", err)
	}
	return path
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

// process is a program that is ended with the test.
type process struct {
	*exec.Cmd
	stderr *bytes.Buffer
	ended  chan struct{}
}

func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd, &bytes.Buffer{}, make(chan struct{})}
	cmd.Stderr = p.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() { p.Process.Kill(); <-p.ended })
	return p
}

// end ends it by a signal.
func (p *process) end(t *testing.T, sig os.Signal) {
	t.Helper()
	p.Process.Signal(sig)
	p.Process.Signal(syscall.SIGCONT)
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("%s does not end; stderr %s", p.Path, p.stderr)
	}
}

// collection is a collector with the configuration of packaging/otel, and what it has collected.
type collection struct {
	dir, config string
	port        int
	*process
}

func newCollection(t *testing.T, config string) *collection {
	c := &collection{dir: t.TempDir(), config: config, port: 20000 + os.Getpid()%10000}
	c.run(t)
	return c
}

func (c *collection) path(name string) string { return filepath.Join(c.dir, name) }

func (c *collection) run(t *testing.T) {
	t.Helper()
	cmd := exec.Command(absolute(t, *collectorPath), "--feature-gates", "stanza.synchronousLogEmitter", "--config", c.config, "--config", "metrics.yaml")
	cmd.Dir = packaging + "/otel"
	cmd.Env = append(os.Environ(), "OTEL_STATE="+c.path("state"), "OPENSNOOP_OUT="+c.path("collected"), "OPENSNOOP_FILES="+c.path("rows*"), "HOSTNAME=node1", fmt.Sprintf("OPENSNOOP_METRICS=127.0.0.1:%d", c.port))
	c.process = start(t, cmd)
	eventually(t, "the collector", func() bool {
		select {
		case <-c.ended:
			t.Fatalf("the collector has ended: %s", c.stderr)
		default:
		}
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// arrived are what the collector has written, by opensnoop's own names.
type arrived struct {
	rows     map[string]int // how often each, by seq
	lines    int
	last     int // the last control record's rows
	lost     int
	doubtful int
	ended    bool
	records  []record
}

// record is the attributes of what has arrived.
type record map[string]string

func (c *collection) arrived(t *testing.T) (a arrived) {
	t.Helper()
	a.rows = map[string]int{}
	text, _ := os.ReadFile(c.path("collected"))
	for batches := json.NewDecoder(bytes.NewReader(text)); ; { // one that was killed may not have ended its line
		var batch struct {
			ResourceLogs []struct {
				ScopeLogs []struct {
					LogRecords []struct {
						Attributes []struct {
							Key   string
							Value map[string]any
						}
					}
				}
			}
		}
		if batches.Decode(&batch) != nil {
			return a // the last is being written
		}
		for _, resource := range batch.ResourceLogs {
			for _, scope := range resource.ScopeLogs {
				for _, log := range scope.LogRecords {
					r := record{}
					for _, attribute := range log.Attributes {
						for _, value := range attribute.Value {
							r[attribute.Key] = fmt.Sprint(value)
						}
					}
					a.add(r)
				}
			}
		}
	}
}

func (a *arrived) add(r record) {
	number := func(name string) int {
		n, _ := strconv.Atoi(r[name])
		return n
	}
	a.lines++
	if seq, isRow := r["opensnoop.seq"]; isRow {
		a.rows[seq]++
		if len(a.records) < 1000 {
			a.records = append(a.records, r)
		}
	} else if kind := r["opensnoop.record"]; kind != "" {
		a.last, a.lost, a.doubtful = max(a.last, number("opensnoop.rows")), max(a.lost, number("opensnoop.lost")), max(a.doubtful, number("opensnoop.doubtful"))
		a.ended = a.ended || kind == "end"
	}
}

// trace starts opensnoop, and waits until it traces.
func trace(t *testing.T, args ...string) *process {
	t.Helper()
	p := start(t, exec.Command(absolute(t, "../../bin/opensnoop"), append([]string{"-o", "json", "--stream", "-n", openerComm}, args...)...))
	path := args[1]
	eventually(t, "the start record", func() bool {
		text, _ := os.ReadFile(path)
		return bytes.Contains(text, []byte(`"record":"start"`))
	})
	return p
}

// flood makes some opens a second.
func flood(t *testing.T, seconds, each int) (opens int) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 10 * seconds {
		if out, err := exec.Command(opener, "flood", strconv.Itoa(each/10), "/dev/null").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		opens += each/10 + 1 // and one to end
		<-tick.C
	}
	return opens
}

// A collector that is stopped for 10 s under a flood, while files rotate away that it has not read;
// that is restarted; that is killed: what has arrived adds up to the opens.
func TestCollectorAddsUp(t *testing.T) {
	for name, how := range map[string]struct {
		rotate string
		stop   func(t *testing.T, c *collection)
		gaps   bool // rows may have gone
	}{
		"stopped": {"2M,9", func(t *testing.T, c *collection) {
			c.Process.Signal(syscall.SIGSTOP)
			time.AfterFunc(10*time.Second, func() { c.Process.Signal(syscall.SIGCONT) })
		}, true},
		"restarted": {"20M,20", func(t *testing.T, c *collection) { c.end(t, syscall.SIGTERM); c.run(t) }, false},
		"killed":    {"20M,20", func(t *testing.T, c *collection) { c.end(t, syscall.SIGKILL); c.run(t) }, false},
	} {
		for round := range *rounds {
			t.Run(fmt.Sprintf("%s/%d", name, round), func(t *testing.T) {
				c := newCollection(t, "files.yaml")
				p := trace(t, "-w", c.path("rows"), "--rotate", how.rotate)
				opens := flood(t, 1, 20_000)
				eventually(t, "the first rows", func() bool { return len(c.arrived(t).rows) > 0 })
				how.stop(t, c)
				opens += flood(t, 10, 20_000)
				p.end(t, syscall.SIGTERM)
				eventually(t, "the end record", func() bool { return c.arrived(t).ended })
				before := -1
				eventually(t, "the rest", func() bool {
					time.Sleep(time.Second)
					now := c.arrived(t).lines
					still := now == before
					before = now
					return still
				})
				a := c.arrived(t)
				twice := 0
				for _, n := range a.rows {
					twice += n - 1
				}
				gaps := a.last - len(a.rows)
				t.Logf("%d opens: %d rows, %d in gaps, %d lost and up to %d more, %d twice", opens, len(a.rows), gaps, a.lost, a.doubtful, twice)
				if all := len(a.rows) + gaps + a.lost; all > opens || all+a.doubtful < opens {
					t.Errorf("that is %d", all)
				}
				if !how.gaps && gaps != 0 {
					t.Errorf("%d rows have not arrived", gaps)
				}
				if name == "stopped" && twice > 0 { // one that begins anew may send a batch again
					t.Errorf("%d rows have arrived twice", twice)
				}
			})
		}
	}
}
