package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// packed is the Debian package that make deb builds.
func packed(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("../../bin/opensnoop_*.deb")
	if err != nil || len(found) != 1 {
		t.Fatalf("packages in bin: %q; make deb builds one", found)
	}
	path, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// installScript runs a script in a copy of this machine's root that takes no harm:
// an overlay in a mount namespace, which goes with its last process.
const installScript = `
set -eu
deb=$1 dir=$2
mount --make-rprivate /
mount -t tmpfs tmpfs "$dir"
mkdir "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" overlay "$dir/root"
for place in proc sys dev; do mount --rbind "/$place" "$dir/root/$place"; done
mount -t tmpfs -o mode=1777 tmpfs "$dir/root/tmp"
cp "$deb" "$dir/root/tmp/opensnoop.deb"
exec chroot "$dir/root" sh -eu -c "$3"
`

// insideScript installs the package with apt, as on a user's machine, uses it and
// removes it.
const insideScript = `
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
rm -f /var/lib/man-db/auto-update # else all manuals are indexed again, which takes minutes
program=/usr/sbin/opensnoop
files="/usr/share/man/man8/opensnoop.8.gz /usr/share/bash-completion/completions/opensnoop
	/usr/share/zsh/vendor-completions/_opensnoop /usr/share/fish/vendor_completions.d/opensnoop.fish"
for file in $files; do [ ! -e $file ] || { echo "there before: $file"; exit 1; }; done
# Another package's program of that name is there again at the end.
before=$(sha256sum $program 2>&1 || true)
apt-get install -qq -o APT::Sandbox::User=root /tmp/opensnoop.deb >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
for file in $program $files; do [ -s $file ] || { echo "not installed: $file"; exit 1; }; done
dpkg-query -W -f '${Depends}\n' opensnoop
cd /
$program --version
$program -d 0.1
bash -n /usr/share/bash-completion/completions/opensnoop
COLUMNS=200 MANPAGER=cat man opensnoop
apt-get remove -qq opensnoop >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
for file in $files; do [ ! -e $file ] || { echo "left behind: $file"; exit 1; }; done
after=$(sha256sum $program 2>&1 || true)
[ "$before" = "$after" ] || { echo "$program was $before, is $after"; exit 1; }
echo all gone
`

func TestPackage(t *testing.T) {
	cmd := exec.Command("sh", "-c", installScript, "sh", packed(t), t.TempDir(), insideScript)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	r := runToEnd(t, cmd)
	if r.status != 0 {
		t.Fatalf("status %d, stdout %s, stderr %s", r.status, r.stdout, r.stderr)
	}
	for _, word := range []string{"libbpfcc", "libc6", header, "OPENSNOOP(8)", "EXIT STATUS", "opensnoop doctor", "all gone"} {
		if !strings.Contains(r.stdout, word) {
			t.Errorf("no %q in %s", word, r.stdout)
		}
	}
}

// filesOf lists what is below a folder.
func filesOf(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestMakeInstall(t *testing.T) {
	if os.Getenv("OPENSNOOP_GUEST") != "" {
		t.Skip("what make does is the same on every kernel; it is tested on the host")
	}
	for _, prefix := range []string{"/usr/local", "/opt/open snoop"} {
		dest := filepath.Join(t.TempDir(), "a folder")
		if err := os.Mkdir(dest, 0o755); err != nil {
			t.Fatal(err)
		}
		run := func(goal string) {
			t.Helper()
			// The program is the one under test: it is not built again.
			cmd := exec.Command("make", "-C", "../..", "-o", "build", goal, "DESTDIR="+dest, "PREFIX="+prefix)
			if r := runToEnd(t, cmd); r.status != 0 {
				t.Fatalf("make %s: status %d, %s", goal, r.status, r.stderr)
			}
		}
		run("install")
		want := []string{
			prefix + "/sbin/opensnoop",
			prefix + "/share/bash-completion/completions/opensnoop",
			prefix + "/share/fish/vendor_completions.d/opensnoop.fish",
			prefix + "/share/man/man8/opensnoop.8",
			prefix + "/share/zsh/site-functions/_opensnoop",
		}
		if got := filesOf(t, dest); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		if r := runToEnd(t, exec.Command(filepath.Join(dest, want[0]), "--version")); r.status != 0 {
			t.Errorf("status %d, %s", r.status, r.stderr)
		}
		// What another put there stays.
		other := filepath.Join(dest, prefix, "share/man/other")
		if err := os.WriteFile(other, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		run("uninstall")
		if got := filesOf(t, dest); !slices.Equal(got, []string{prefix + "/share/man/other"}) {
			t.Errorf("left after make uninstall: %q", got)
		}
		if err := os.Remove(other); err != nil {
			t.Fatal(err)
		}
		run("install")
		run("uninstall")
		wantEmpty(t, dest)
	}
}
