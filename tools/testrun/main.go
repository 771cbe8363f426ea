// Testrun runs go test for make: it keeps all that this prints in a file, and shows how far it is,
// what fails as soon as it does, and go test's last words on each package.
//
//	testrun [-folder FOLDER] -name NAME [-of N] [-again] COMMAND…
//	testrun [-folder FOLDER] summary
//
// NAME is the file's, NAME.log in the folder, and N how many tests there are; without it they are
// counted in internal/e2e, less those that COMMAND's -run and -skip leave out. With -packages N is
// of packages. With -again, tests that have failed run once more, alone: in an emulated guest on a busy
// machine a wait may be too short. What fails then has failed, and the rest is told. The summary tells where tests have run, and what has failed and what did not run.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	folder := flag.String("folder", "bin/tests", "where what is printed is kept")
	name := flag.String("name", "", "the name of the file")
	of := flag.Int("of", 0, "how many `tests` there are")
	packages := flag.Bool("packages", false, "count packages, not tests")
	again := flag.Bool("again", false, "run tests that have failed once more")
	flag.Parse()
	if flag.NArg() == 0 || (*name == "") != (flag.Arg(0) == "summary") {
		flag.Usage()
		os.Exit(2)
	}
	if *name == "" {
		if err := summarize(os.Stdout, *folder); err != nil {
			fatal(err)
		}
		return
	}
	if *of == 0 {
		n, err := count("internal/e2e", flag.Args())
		if err != nil {
			fatal(err)
		}
		*of = n
	}
	p := &progress{out: os.Stdout, name: *name, of: *of, packages: *packages}
	file := filepath.Join(*folder, *name)
	status, err := run(p, file, flag.Args())
	if err == nil && *again && status != 0 && p.ended == p.of {
		status, err = runAgain(p, file, flag.Args())
	}
	if err != nil {
		fatal(err)
	}
	os.Exit(status)
}

// runAgain runs the tests that have failed once more, and returns the status of that, which becomes
// that of the first run.
func runAgain(first *progress, file string, args []string) (status int, err error) {
	args, err = choose(args, first.failures)
	if err != nil {
		return 0, err
	}
	p := &progress{out: first.out, name: first.name + againSuffix, of: len(first.failures)}
	if status, err = run(p, file+againSuffix, args); err != nil {
		return 0, err
	}
	if status == 0 {
		fmt.Fprintf(p.out, "=== %s: passed when run again: %s\n", first.name, strings.Join(first.failures, ", "))
	}
	return status, os.WriteFile(file+".status", []byte(strconv.Itoa(status)), 0o644)
}

// againSuffix is behind the name of a second run.
const againSuffix = ".again"

// choose returns a command of go test that runs these tests alone.
func choose(args, tests []string) ([]string, error) {
	at := slices.Index(args, "test")
	if at < 0 {
		return nil, errors.New("-again is for go test")
	}
	chosen := slices.Clone(args[:at+1])
	chosen = append(chosen, "-run", "^("+strings.Join(tests, "|")+")$")
	for i := at + 1; i < len(args); i++ {
		if args[i] == "-run" || args[i] == "-skip" {
			i++
			continue
		}
		chosen = append(chosen, args[i])
	}
	return chosen, nil
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "testrun:", err)
	os.Exit(1)
}

var testPattern = regexp.MustCompile(`(?m)^func (Test\w+)\(t `)

// count returns how many tests of a folder go test runs with these arguments.
func count(folder string, args []string) (n int, err error) {
	chosen, left := regexp.MustCompile(""), (*regexp.Regexp)(nil)
	for i, arg := range args[:len(args)-1] {
		switch arg {
		case "-run":
			chosen, err = regexp.Compile(args[i+1])
		case "-skip":
			left, err = regexp.Compile(args[i+1])
		}
		if err != nil {
			return 0, err
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		for _, m := range testPattern.FindAllSubmatch(text, -1) {
			if chosen.Match(m[1]) && (left == nil || !left.Match(m[1])) {
				n++
			}
		}
	}
	return n, nil
}

// run runs a command, keeps what it prints in FILE.log and its status in FILE.status, and returns
// that.
func run(p *progress, file string, args []string) (status int, err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return 0, err
	}
	log, err := os.Create(file + ".log")
	if err != nil {
		return 0, err
	}
	defer log.Close()
	os.Remove(file + ".status")
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	// A signal of the terminal's ends what runs, of which there is then more to say.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, w, w
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	w.Close()
	p.begin(log.Name())
	if err := follow(p, io.TeeReader(r, log)); err != nil {
		return 0, err
	}
	if exit := (*exec.ExitError)(nil); errors.As(cmd.Wait(), &exit) {
		status = max(exit.ExitCode(), 1)
	}
	p.end(status)
	return status, os.WriteFile(file+".status", []byte(strconv.Itoa(status)), 0o644)
}

// follow hands out lines to a progress, and tells it of the time while there are none.
func follow(p *progress, in io.Reader) (err error) {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for r := bufio.NewReader(in); ; {
			line, readErr := r.ReadString('\n')
			if line != "" {
				lines <- line
			}
			if readErr != nil {
				if readErr != io.EOF {
					err = readErr
				}
				return
			}
		}
	}()
	for ticks := time.Tick(time.Second); ; {
		select {
		case line, more := <-lines:
			if !more {
				return err
			}
			p.line(line)
		case <-ticks:
			p.tell(time.Now())
		}
	}
}
