package compare

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// run runs a command of a test's.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func TestPackagesByDpkg(t *testing.T) {
	if !has("dpkg-query") {
		t.Skip("NOT TESTED: there is no dpkg-query")
	}
	none := filepath.Join(t.TempDir(), "x")
	packages, others, err := Packages([]string{"/usr/bin/dpkg", "/usr/bin/dpkg-deb", none, "/a\nb"})
	if err != nil || !slices.Equal(packages, []string{"dpkg"}) || others != 2 {
		t.Errorf("got %v, %d others, %v", packages, others, err)
	}
}

// Of dpkg's answers, a folder that packages share is none, and one may be for two names of a file.
func TestPackagesOfAnswers(t *testing.T) {
	dir := t.TempDir()
	long := "/" + strings.Repeat("long/", 20_000)
	answers := "one, two: /usr/share\n" + "diversion by one from: /bin/x\n" + "three: " + long + "\nfour:amd64: /usr/lib/x\nfive:amd64, five:i386: /usr/share/doc/five\n"
	if err := errors.Join(os.WriteFile(dir+"/answers", []byte(answers), 0o600), os.WriteFile(dir+"/dpkg-query", []byte("#!/bin/sh\nexec /bin/cat "+dir+"/answers\n"), 0o700)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	packages, others, err := Packages([]string{"/usr/lib/x", "/lib/x", "/usr/share", "/bin/x", "/usr/share/doc/five"})
	if err != nil || !slices.Equal(packages, []string{"five:amd64", "four:amd64"}) || others != 2 {
		t.Errorf("got %v, %d others, %v", packages, others, err)
	}
}

// Where there is no dpkg, rpm is asked: here the real one, with a database of its own.
func TestPackagesByRPM(t *testing.T) {
	rpm, err := exec.LookPath("rpm")
	if err != nil || !has("rpmbuild") {
		t.Skip("NOT TESTED: there is no rpm, or no rpmbuild")
	}
	dir := t.TempDir()
	file, none := dir+"/has this", dir+"/has not"
	spec := "Name: needed\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\nx\n" +
		"%install\nmkdir -p \"%{buildroot}" + dir + "\"\ntouch \"%{buildroot}" + file + "\"\n%files\n\"" + file + "\"\n"
	for name, text := range map[string]string{"/needed.spec": spec, "/.rpmmacros": "%_dbpath " + dir + "/db\n%_topdir " + dir + "/build\n", "/has this": "", "/has not": ""} {
		if err := os.WriteFile(dir+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", dir)
	run(t, "rpmbuild", "-bb", "--quiet", dir+"/needed.spec")
	run(t, "rpm", "--initdb")
	install := []string{"-i", "--justdb", "--nodeps", dir + "/build/RPMS/noarch/needed-1-1.noarch.rpm"}
	if help, _ := exec.Command("rpm", "--help").Output(); strings.Contains(string(help), "--force-debian") {
		install = append(install, "--force-debian") // Debian's own wants it, up to Debian 12
	}
	run(t, "rpm", install...)
	if err := os.MkdirAll(dir+"/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(rpm, dir+"/bin/rpm"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+"/bin")
	packages, others, err := Packages([]string{file, none, file})
	if err != nil || !slices.Equal(packages, []string{"needed"}) || others != 1 {
		t.Errorf("got %v, %d others, %v", packages, others, err)
	}
	t.Setenv("PATH", dir)
	if _, _, err := Packages([]string{file}); err == nil {
		t.Error("packages are known without dpkg and rpm")
	}
}
