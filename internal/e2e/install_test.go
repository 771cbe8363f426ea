package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
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
program=/usr/bin/opensnoop
other=/usr/sbin/opensnoop
files="/usr/share/man/man8/opensnoop.8.gz /usr/share/bash-completion/completions/opensnoop
	/usr/share/zsh/vendor-completions/_opensnoop /usr/share/fish/vendor_completions.d/opensnoop.fish"
for file in $files; do [ ! -e $file ] || { echo "there before: $file"; exit 1; }; done
# Another package's program of that name stays what it is.
[ -e $other ] || echo another >$other
before=$(sha256sum $other)
apt-get install -qq -o APT::Sandbox::User=root /tmp/opensnoop.deb >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
for file in $program $files; do [ -s $file ] || { echo "not installed: $file"; exit 1; }; done
grep -q "sudo finds $other of libbpf-tools first" /tmp/log || { cat /tmp/log; exit 1; }
dpkg-query -W -f '${Depends}\n' opensnoop
cd /
$program --version
$program -d 0.1
bash -n /usr/share/bash-completion/completions/opensnoop
COLUMNS=200 MANPAGER=cat man opensnoop
compiled=/var/cache/opensnoop
mkdir -p $compiled && : >$compiled/object
apt-get remove -qq opensnoop >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
for file in $files; do [ ! -e $file ] || { echo "left behind: $file"; exit 1; }; done
[ ! -e $program ] || { echo "left behind: $program"; exit 1; }
after=$(sha256sum $other)
[ "$before" = "$after" ] || { echo "$other was $before, is $after"; exit 1; }
[ -e $compiled/object ] || { echo "removed, not purged, and $compiled is gone"; exit 1; }
apt-get purge -qq opensnoop >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
[ ! -e $compiled ] || { echo "purged, and $compiled is there"; exit 1; }
echo all gone
`

// Versions sort by date: an upgrade is one, whatever the commits' hashes are.
func TestPackageVersion(t *testing.T) {
	notInGuests(t)
	out, err := exec.Command("dpkg-deb", "-f", packed(t), "Version").Output()
	if err != nil {
		t.Fatal(err)
	}
	version := strings.TrimSpace(string(out))
	if strings.HasPrefix(version, "0~git") && !regexp.MustCompile(`^0~git20\d{6}\.\d{6}\.[0-9a-f]{7,}(\+dirty)?$`).MatchString(version) {
		t.Errorf("the version %q has no date", version)
	}
}

// lintian finds no errors.
func TestPackageIsClean(t *testing.T) {
	notInGuests(t)
	r := runToEnd(t, exec.Command("lintian", "--fail-on", "error", packed(t)))
	if r.status != 0 {
		t.Errorf("status %d: %s%s", r.status, r.stdout, r.stderr)
	}
}

func TestPackage(t *testing.T) {
	notInGuests(t)
	cmd := exec.Command("sh", "-c", installScript, "sh", packed(t), t.TempDir(), insideScript)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	r := runToEnd(t, cmd)
	if r.status != 0 {
		t.Fatalf("status %d, stdout %s, stderr %s", r.status, r.stdout, r.stderr)
	}
	for _, word := range []string{"libbpfcc (>= 0.18)", "libc6", header, "OPENSNOOP(8)", "EXIT STATUS", "opensnoop doctor", "all gone"} {
		if !strings.Contains(r.stdout, word) {
			t.Errorf("no %q in %s", word, r.stdout)
		}
	}
}
