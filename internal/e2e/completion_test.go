package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// typed are lines with tabs as typed into a shell, and what the shell makes of them.
func typed(t *testing.T) map[string]string {
	t.Helper()
	standIn(t, "zz-daemon")
	mount := cgroups(t)
	for _, cgroup := range []string{"lxc.payload.zz-box", "system.slice/zz-web.service"} {
		path := makeCgroup(t, mount, cgroup)
		if err := os.WriteFile(filepath.Join(path, "cgroup.procs"), []byte(strconv.Itoa(standIn(t, "zz-inside"))), 0); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]string{
		"--colu\t":               "--columns",
		"--columns time,rea\t":   "--columns time,realpath",
		"-n zz-d\t":              "-n zz-daemon",
		"-n bash,zz-d\t":         "-n bash,zz-daemon",
		"--errno ENOEN\t":        "--errno ENOENT",
		"--errno EACCES,ENOEN\t": "--errno EACCES,ENOENT",
		"-f O_WRO\t":             "-f O_WRONLY",
		"--container zz-b\t":     "--container zz-box",
		"--unit ssh,zz-w\t":      "--unit ssh,zz-web.service",
		"--summary=progr\t":      "--summary=program",
		"-- zz-to\t":             "-- zz-tool",
		"-- zz-tool some-f\t":    "-- zz-tool some-file",
		"doct\t":                 "doctor",
		"replay some-f\t":        "replay some-file",
	}
}

// The completions work in the shells themselves.
func TestCompletion(t *testing.T) {
	notInGuests(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"zz-tool": "#!/bin/sh\n", "some-file": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The function shows what the shell has made of the line.
	const function = `opensnoop() { case $1 in __complete*) command opensnoop "$@" ;; *) echo "<$*>" ;; esac; }` + "\n"
	for shell, start := range map[string]string{
		"bash --norc -i": "bind 'set bell-style none'; . /usr/share/bash-completion/bash_completion; . ./script\n" + function,
		"zsh -f -i":      "PS1=; autoload -U compinit; compinit -u -D; . ./script; compdef _opensnoop opensnoop\n" + function,
	} {
		t.Run(strings.Fields(shell)[0], func(t *testing.T) {
			script(t, dir, strings.Fields(shell)[0])
			for line, want := range typed(t) {
				cmd := exec.Command("script", "-qec", shell, os.DevNull)
				cmd.Dir, cmd.Env = dir, shellEnvironment(dir)
				cmd.Stdin = strings.NewReader(start + "opensnoop " + line + "\nexit\n")
				r := runToEnd(t, cmd)
				if !strings.Contains(r.stdout, "\n<"+want+">") || strings.Contains(r.stdout, `\,`) {
					t.Errorf("%q: no %q in %q", line, want, r.stdout)
				}
			}
		})
	}
	t.Run("fish", func(t *testing.T) {
		script(t, dir, "fish")
		if err := exec.Command("fish", "--no-config", "-c", "true").Run(); err != nil {
			t.Skipf("NOT TESTED: before fish 3.2, fish -c gets no arguments, and knows no --no-config (%v)", err)
		}
		run := []string{"--no-config", "-c", "source ./script; complete -C(string unescape $argv[1])"}
		for line, want := range typed(t) {
			cmd := exec.Command("fish", append(run, "opensnoop "+strings.TrimSuffix(line, "\t"))...)
			cmd.Dir, cmd.Env = dir, shellEnvironment(dir)
			r := runToEnd(t, cmd)
			last := want[strings.LastIndexByte(want, ' ')+1:]
			if !strings.HasPrefix(r.stdout, last) {
				t.Errorf("%q: no %q in %q, %q", line, last, r.stdout, r.stderr)
			}
		}
	})
}

// script writes the completions for a shell.
func script(t *testing.T, dir, shell string) {
	t.Helper()
	out, err := exec.Command(opensnoop, "completion", shell).Output()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "script"), out, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// shellEnvironment has opensnoop and the folder in PATH, and a terminal that shells find dull.
func shellEnvironment(dir string) []string {
	return append(os.Environ(), "TERM=dumb", "HOME="+dir, fmt.Sprintf("PATH=%s:%s:%s", filepath.Dir(opensnoop), dir, os.Getenv("PATH")))
}
