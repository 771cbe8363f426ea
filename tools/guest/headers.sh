#!/bin/sh
# Fetches the headers of a kernel that kernel.sh unpacked, and unpacks them,
# without root, into a folder of their own:
#
#	headers.sh KERNEL FOLDER        e.g. headers.sh .cache/kernels/6.12 .cache/headers/6.12
#
# FOLDER/lib/modules/RELEASE/build and source are links as the package has them:
# they are right once FOLDER is the root. A FOLDER with the kernel's headers is left
# alone; one with another kernel's is replaced.
set -eu

die() {
	echo "headers.sh: $*" >&2
	exit 1
}

[ $# -eq 2 ] || { echo "usage: headers.sh KERNEL FOLDER" >&2; exit 2; }
kernel=${1%/}
folder=${2%/}
release=
for release in "$kernel"/lib/modules/*; do
	[ -d "$release" ] || die "$kernel holds no kernel; kernel.sh unpacks one there"
done
release=${release##*/}
version=${release%%[+~-]*} # for apt.sh
[ -L "$folder/lib/modules/$release/build" ] && exit 0

for tool in apt-cache apt-get dpkg-deb; do
	command -v "$tool" >/dev/null || die "$tool is missing (Debian packages apt, dpkg)"
done
part=$folder.part
# shellcheck source=tools/guest/apt.sh
. "$(dirname "$0")/apt.sh"

package=linux-headers-$release
# common: the package with what all flavours share.
common() {
	apt-cache depends --important "$package" 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-headers-.*-common\)$/\1/p' | head -n 1
}
shared=$(common)
if [ -z "$shared" ]; then
	kernel_lists
	shared=$(common)
	[ -n "$shared" ] || die "found no $package: the archive has gone on to a newer kernel; remove $kernel and fetch it anew with kernel.sh"
fi

rm -rf "$part"
mkdir -p "$part"
part=$(cd "$part" && pwd)
(
	cd "$part"
	apt-get -qq -o APT::Sandbox::User=root download "$package" "$shared" >&2
	for deb in *.deb; do
		dpkg-deb -x "$deb" .
		rm "$deb"
	done
	if [ ! -e lib/modules ]; then
		mkdir -p lib && ln -s ../usr/lib/modules lib/modules
	fi
) || die "could not fetch and unpack $package"
rm -rf "$folder"
mv "$part" "$folder"
echo "headers.sh: unpacked $release into $folder"
