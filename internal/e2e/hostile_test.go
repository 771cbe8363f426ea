package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// hostileUser is who attacks.
	hostileUser = 65500

	// hostileMemory is what a tracer may have in memory at any time, in KiB.
	hostileMemory = 64 << 10

	// roundTime is how long an attacker goes on before others come.
	roundTime = 15 * time.Second
)

// hostilePrefix begins the comms of all attackers of this suite.
var hostilePrefix = fmt.Sprintf("hz%d-", os.Getpid())

// attack is a kind of attacker.
type attack struct {
	kind, comm string
	judge      func(*verdict)
	root       bool   // it cannot be done by another user
	place      string // see hostile.c
	cgroup     string // that it starts in, if that is another one than ours
}

// TestHostile has attackers of all kinds walk at random, for as long as OPENSNOOP_HOSTILE says, while
// one tracer with many columns watches all of them, and others for a while each. No tracer ends or
// grows, no row says what is not so, and rows and what is told as lost are the opens that were made.
func TestHostile(t *testing.T) {
	duration, err := time.ParseDuration(os.Getenv("OPENSNOOP_HOSTILE"))
	if err != nil {
		t.Skip("NOT TESTED: OPENSNOOP_HOSTILE names no duration; make test-hostile does")
	}
	s := newSiege(t)
	all := s.watch([]string{"--columns", "pid,tid,comm,fd,err,path,realpath,exe,dev,inode,container,file"}, true)
	made := 0
	for began, round := time.Now(), 1; time.Since(began) < duration; round++ {
		length := min(roundTime, duration-time.Since(began)).Round(time.Second)
		flags := s.someFlags()
		one := s.watch(flags.args, false)
		opens := s.round(max(length, time.Second))
		one.end(opens, flags)
		made += opens
		t.Logf("round %d, after %v: %d opens; %q: %d rows, at most %d KiB; the one of all: at most %d KiB",
			round, time.Since(began).Round(time.Second), opens, flags.args, one.rows.Load(), one.most.Load(), all.most.Load())
	}
	all.end(made, siegeFlags{exact: true})
	t.Logf("%d opens, %d rows, at most %d KiB", made, all.rows.Load(), all.most.Load())
}

// siege is what all rounds have in common.
type siege struct {
	t       *testing.T
	random  *rand.Rand
	pauses  *rand.Rand // the reader's
	base    string     // the folder of all attackers
	attacks []attack
	rounds  int
}

func newSiege(t *testing.T) *siege {
	seed := uint64(time.Now().UnixNano())
	if n, err := strconv.ParseUint(os.Getenv("OPENSNOOP_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("OPENSNOOP_SEED=%d", seed)
	base := "/tmp/" + strings.TrimSuffix(hostilePrefix, "-")
	mustDo(t, os.Mkdir(base, 0o755), unix.Mount("tmpfs", base, "tmpfs", 0, "mode=755"))
	t.Cleanup(func() { unix.Unmount(base, unix.MNT_DETACH); os.Remove(base) })
	fuse := base + "/dev-fuse"
	mustDo(t, unix.Mknod(fuse, unix.S_IFCHR|0o666, int(unix.Mkdev(10, 229))), os.Chmod(fuse, 0o666))
	s := &siege{t: t, random: rand.New(rand.NewPCG(seed, 0)), pauses: rand.New(rand.NewPCG(seed, 1)), base: base}
	s.makeHome()
	mount := cgroups(t)
	users := makeCgroup(t, mount, fmt.Sprintf("user.slice/user-%d.slice", hostileUser))
	mustDo(t, os.Chown(users, hostileUser, hostileUser), os.Chown(users+"/cgroup.procs", hostileUser, hostileUser))
	s.attacks = []attack{
		{kind: "full", comm: "full", judge: judgeFull},
		{kind: "fuse", comm: "fuse", judge: judgeFUSE, place: fuse},
		{kind: "cwd", comm: "cwd", judge: judgeRace},
		{kind: "descriptor", comm: "fd", judge: judgeRace},
		{kind: "name", comm: "name", judge: judgeRace},
		{kind: "moves", comm: "move", judge: judgeMoves},
		{kind: "deep", comm: "deep", judge: judgeDeep},
		{kind: "blocked", comm: "block", judge: judgeBlocked},
		{kind: "brief", comm: "brief", judge: judgeBrief},
		{kind: "odd", comm: "odd", judge: judgeOdd},
		{kind: "flood", comm: "flood", judge: judgeFlood},
		{kind: "hop", comm: "hop", judge: judgeHop, root: true, place: mount},
		{kind: "bomb", comm: "bomb", judge: judgeBomb, place: users, cgroup: users},
	}
	return s
}

func mustDo(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// makeHome makes the attackers a user, whose home is the folder of the bombs.
func (s *siege) makeHome() {
	t := s.t
	t.Helper()
	before, err := os.ReadFile("/etc/passwd")
	file := s.base + "/passwd"
	user := fmt.Sprintf("hostile:x:%d:%d::%s/bomb:/bin/sh\n", hostileUser, hostileUser, s.base)
	mustDo(t, err, os.WriteFile(file, append(before, user...), 0o644), unix.Mount(file, "/etc/passwd", "", unix.MS_BIND, ""))
	t.Cleanup(func() { unix.Unmount("/etc/passwd", unix.MNT_DETACH) })
}

// round has each kind attack for a while, and returns how many opens that were.
func (s *siege) round(length time.Duration) int {
	s.rounds++
	var attackers sync.WaitGroup
	var opens atomic.Int64
	for _, a := range s.attacks {
		dir := filepath.Join(s.base, a.kind)
		if a.kind != "bomb" { // whose home it is
			dir = filepath.Join(s.base, fmt.Sprint(a.kind, s.rounds))
		}
		mustDo(s.t, os.MkdirAll(dir, 0o700), os.Chown(dir, hostileUser, hostileUser))
		seed := s.random.Uint32()
		attackers.Go(func() {
			opens.Add(int64(a.run(s.t, dir, seed, length)))
			if a.kind != "bomb" {
				os.RemoveAll(dir)
			}
		})
	}
	attackers.Wait()
	return int(opens.Load())
}

// run attacks for a while, and returns how many opens that were.
func (a *attack) run(t *testing.T, dir string, seed uint32, length time.Duration) (opens int) {
	args := []string{hostilePrefix + a.comm, a.kind, fmt.Sprint(seed), fmt.Sprint(int(length.Seconds())), dir, a.place}
	cmd := exec.Command(publicProgram(t, "hostile"), args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if !a.root {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: hostileUser, Gid: hostileUser}
	}
	if a.cgroup != "" {
		fd, err := unix.Open(a.cgroup, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer unix.Close(fd)
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, fd
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("the attacker %q: %v, %s", args, err, stderr.String())
		return 0
	}
	if opens, err = strconv.Atoi(strings.TrimSpace(string(out))); err != nil {
		t.Errorf("the attacker %q: %v", args, err)
	}
	return opens
}

// siegeFlags are those of a tracer of one round.
type siegeFlags struct {
	args  []string
	exact bool // its rows and losses are all opens
}

// someFlags chooses some.
func (s *siege) someFlags() siegeFlags {
	choices := []siegeFlags{
		{[]string{"-b", "2048"}, true},
		{[]string{"-b", "2048", "-F"}, true},
		{[]string{"-b", "2048", "--columns", "comm,pid,fd,err,file"}, true},
		{[]string{"-b", "2048", "--columns", "comm,pid,path,container,args,exe"}, true},
		{[]string{"-b", "8", "--columns", "comm,pid,uid,user,ppid,flags,mode,path,realpath,file"}, true},
		{[]string{"--containers"}, false},
		{[]string{"-x", "-F"}, false},
		{[]string{"--path", s.base + "/**"}, false},
		{[]string{"--exclude-path", "/hostile/**", "--columns", "comm,pid,path,realpath,file"}, false},
		{[]string{"-p", strconv.Itoa(os.Getpid()), "--follow", "--columns", "comm,pid,path,realpath,file"}, true},
	}
	chosen := choices[s.random.IntN(len(choices))]
	if kprobes() && s.random.IntN(3) == 0 {
		chosen.args = append(chosen.args, "--probe", "tracepoint")
	}
	return chosen
}
