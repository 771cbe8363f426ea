#!/bin/sh
# Does in another Debian suite what a user does, as root, and runs the tests there:
#
#	distro.sh SUITE CACHE     e.g. distro.sh trixie .cache/distros
#
# It makes a system of the suite anew, from an archive that it keeps in CACHE, clones
# the repository into it, and there runs the README's commands, the unit tests and the
# end-to-end suite, on the kernel of this machine. It makes the Debian package and
# installs it. The last line tells how each of them went, and with what it did.
set -eu

die() {
	echo "distro.sh: $*" >&2
	exit 1
}

[ $# -eq 2 ] || { echo "usage: distro.sh SUITE CACHE" >&2; exit 2; }
suite=$1
cache=$2
here=$(cd "$(dirname "$0")" && pwd)
case $suite in
'' | *[!a-z]*) die "bad suite \"$suite\": expected a name like trixie" ;;
esac
[ "$(id -u)" = 0 ] || die "it takes root to make a system in a folder"
# shellcheck source=packaging/apt.sh
. "$here/apt.sh"

root=$(mktemp -d "${TMPDIR:-/var/tmp}/opensnoop-$suite-XXXXXX")
trap 'rm -rf --one-file-system "$root"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# An archive that is there is complete: it is put in place by a rename.
archive=$cache/$suite.tar
if [ ! -e "$archive" ]; then
	mkdir -p "$cache"
	new_system "$suite" "$cache/$suite.part.tar" --variant=apt --include=ca-certificates,git,make,mount
	mv "$cache/$suite.part.tar" "$archive"
fi
tar -C "$root" -xf "$archive"
git clone --quiet "$here/.." "$root/opensnoop"
cp /etc/resolv.conf "$root/etc/"
# Whom this machine trusts, which may be a proxy of its own.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
mkdir -p "$root/go" "$root/old"

# Suites before Debian 12 have no Go that is new enough, also in their backports.
go=
case $suite in
buster | bullseye) go=$(command -v go) || die "Go is missing" ;;
esac

# The suite of the tests sees user namespaces, which a chroot would forbid.
# shellcheck disable=SC2016 # the inner shell's own variables
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
	"GOPROXY=$(go env GOPROXY)" root="$root" suite="$suite" \
	modules="$(go env GOMODCACHE)" goroot="${go:+$(go env GOROOT)}" \
	unshare --mount sh -eu -c '
		mount --make-rprivate /
		mount --bind "$root" "$root"
		cd "$root"
		mount -t proc proc proc
		mount --rbind /sys sys
		mount --rbind /dev dev
		mount -t tmpfs -o mode=755 run run
		mkdir -p root/go/pkg/mod
		mount --bind "$modules" root/go/pkg/mod
		if [ -n "$goroot" ]; then
			mount --bind "$goroot" go
		fi
		pivot_root . old
		cd /opensnoop
		umount -l /old
		exec sh packaging/distro-inside.sh "$suite"
	'
