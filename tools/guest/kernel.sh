#!/bin/sh
# Fetches one of Debian's stock kernels and unpacks it, without root, into a
# folder that guestrun boots:
#
#	kernel.sh VERSION FOLDER [ARCHITECTURE]     e.g. kernel.sh 6.1 .cache/kernels/6.1
#
# The architecture is Debian's name of one, the machine's own if there is none.
# It takes the newest linux-image package of that version from the machine's own
# apt lists. Where they have none, it reads the suite that carries the version
# from the same mirror, with an apt configuration of its own in a scratch folder;
# the machine's configuration stays as it is. A FOLDER that is there already is
# left alone; it is put in place by a rename, so it is there only when complete.
set -eu

die() {
	echo "kernel.sh: $*" >&2
	exit 1
}

[ $# -eq 2 ] || [ $# -eq 3 ] || { echo "usage: kernel.sh VERSION FOLDER [ARCHITECTURE]" >&2; exit 2; }
version=$1
folder=${2%/}
# Of the flavours that Debian builds, only one that is asked for: 6.12-rt.
flavour=
others='-(cloud|rt|unsigned|dbg)(-|$)'
case $version in
*-cloud | *-rt)
	flavour=${version##*-}-
	others='-(unsigned|dbg)(-|$)'
	version=${version%-*}
	;;
esac
case $version in
'' | *[!0-9.]* | .* | *. | *..*) die "bad version \"$version\": expected one like 6.1" ;;
esac

own=$(dpkg --print-architecture)
arch=${3:-$own}

# unpacked: is FOLDER this version's, unpacked before?
unpacked() {
	for release in "$folder/lib/modules/$version"[.+~-]*"$flavour$arch"; do
		[ -d "$release" ] && return 0
	done
	return 1
}
if [ -e "$folder" ]; then
	unpacked || die "$folder is there, but holds no kernel $version; remove it first"
	exit 0
fi

for tool in apt-cache apt-get dpkg-deb depmod; do
	PATH=$PATH:/usr/sbin:/sbin
	command -v "$tool" >/dev/null || die "$tool is missing (Debian packages apt, dpkg, kmod)"
done
case $arch in
amd64 | arm64) ;;
*) die "no guest kernels for $arch" ;;
esac

part=$folder.part
# shellcheck source=tools/guest/apt.sh
. "$(dirname "$0")/apt.sh"

# newest: the newest kernel package of the version that apt knows of. A separator
# must follow the version: 6.1 is not 6.12, and 6.12-amd64 is a meta-package.
newest() {
	apt-cache search --names-only '^linux-image-' | cut -d' ' -f1 |
		grep -E "^linux-image-$(echo "$version" | sed 's/\./\\./g')[.+~][^ ]*-$flavour$arch\$" |
		grep -vE -e "$others" | sort -V | tail -n 1
}

package=
[ "$arch" != "$own" ] || package=$(newest) || true
if [ -z "$package" ]; then
	kernel_lists
	package=$(newest) || true
	if [ -z "$package" ]; then
		cat "$scratch/log" >&2
		die "found no kernel $version in $(suites | cut -d' ' -f1 | paste -sd' ' -); run apt-get update and try again"
	fi
fi

# Newer kernels are split: the image package only names those that hold the files.
release=${package#linux-image-}
parts=$(apt-cache depends --important "$package" |
	grep -E "^ *Depends: linux-(base|binary|modules)-$(echo "$release" | sed 's/[.+]/\\&/g')\$" | sed 's/.*: //') || true

rm -rf "$part"
mkdir -p "$part"
part=$(cd "$part" && pwd)
(
	cd "$part"
	# shellcheck disable=SC2086 # one word a package
	apt-get -qq -o APT::Sandbox::User=root download "$package" $parts >&2
	for deb in *.deb; do
		dpkg-deb -x "$deb" .
		rm "$deb"
	done
	# Tools look for modules in one of two places; make it both.
	if [ ! -e lib/modules ]; then
		mkdir -p lib && ln -s ../usr/lib/modules lib/modules
	elif [ ! -e usr/lib/modules ]; then
		mkdir -p usr/lib && ln -s ../../lib/modules usr/lib/modules
	fi
	depmod -b "$part" "$release"
) || die "could not fetch and unpack $package"
mv "$part" "$folder"
echo "kernel.sh: unpacked $release into $folder"
