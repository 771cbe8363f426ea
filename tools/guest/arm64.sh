#!/bin/sh
# Builds opensnoop, its tests and their callers for arm64, and runs them in a guest:
#
#	arm64.sh KERNEL ROOT PATTERN
#
# KERNEL is a folder with an arm64 kernel (see kernel.sh). ROOT is a folder with an
# arm64 system; it is made if it is not there. PATTERN chooses the end-to-end tests.
set -eu

die() {
	echo "arm64.sh: $*" >&2
	exit 1
}

[ $# -eq 3 ] || { echo "usage: arm64.sh KERNEL ROOT PATTERN" >&2; exit 2; }
kernel=$1
root=$2
pattern=$3
cd "$(dirname "$0")/../.."
# shellcheck source=packaging/apt.sh
. packaging/apt.sh

# Packages are unpacked only: to set them up, programs of theirs would have to run.
if [ ! -e "$root" ]; then
	mkdir -p "$(dirname "$root")"
	rm -rf "$root.part"
	new_system bookworm "$root.part" --variant=extract --arch=arm64 \
		--include=base-files,base-passwd,bash,busybox-static,bsdutils,coreutils,dash,diffutils,findutils,gawk,gcc,grep,libbpfcc,libc6-dev,make,mandoc,mount,passwd,procps,sed,strace,tar,util-linux
	cp "$root.part/usr/share/base-passwd/passwd.master" "$root.part/etc/passwd"
	cp "$root.part/usr/share/base-passwd/group.master" "$root.part/etc/group"
	ln -sf gawk "$root.part/usr/bin/awk"
	ln -sf gcc "$root.part/usr/bin/cc"
	: >"$root.part/etc/ld.so.cache"
	mv "$root.part" "$root"
fi

# What is built lies in the guest as in the repository.
tree=$root/opensnoop
rm -rf "$tree"
mkdir -p "$tree/bin"
make --no-print-directory GOARCH=arm64 build callers
cp -r bin/arm64/. "$tree/bin"
git ls-files | grep -e testdata/ -e '^docs/.*json$' | cpio --quiet -pdm "$tree"
cp -r go.mod Makefile README.md "$tree"
GOARCH=arm64
CC=aarch64-linux-gnu-gcc
CGO_ENABLED=1
CGO_CFLAGS="-O2 -g -isystem $PWD/bin/arm64/include"
export GOARCH CC CGO_ENABLED CGO_CFLAGS
for package in $(go list ./internal/... ./bpf); do
	folder=${package#opensnoop/}
	mkdir -p "$tree/$folder"
	go test -c -o "$tree/$folder/" "$package"
done
cp -r bpf "$tree/"
unset GOARCH CC CGO_ENABLED CGO_CFLAGS

cat >"$tree/tests.sh" <<-END
	cd /opensnoop
	export OPENSNOOP_E2E=require
	export OPENSNOOP_FILTERS=1 # random sets of filters: each takes a minute
	status=0
	for test in */*.test */*/*.test; do
		case \$test in
		# The second needs Go.
		*/e2e.test | */manual.test) continue ;;
		esac
		echo "=== \$test"
		# dpkg is not set up, and the others have deadlines that are too short here.
		(cd "\${test%/*}" && ./"\${test##*/}" -test.timeout 20m \
			-test.skip 'TestPackagesByDpkg|TestPages|TestHostileFiles') || status=1
	done
	(cd internal/e2e && ./e2e.test -test.v -test.timeout 50m -test.run '$pattern') || status=1
	exit \$status
END
exec bin/guestrun -kernel "$kernel" -root "$root" -dir /opensnoop -timeout 80m sh /opensnoop/tests.sh
