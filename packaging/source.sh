#!/bin/sh
# source.sh PACKAGE FOLDER: unpacks the source of a Debian package into FOLDER, unless that is there.
# The suite is the machine's own.
set -eu

die() {
	echo "source.sh: $*" >&2
	exit 1
}

[ $# -eq 2 ] || die "usage: source.sh PACKAGE FOLDER"
package=$1
folder=$2
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=packaging/apt.sh
. "$here/apt.sh"

[ ! -e "$folder" ] || exit 0
for tool in apt-get tar xz; do
	command -v "$tool" >/dev/null || die "there is no $tool: install it"
done
# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$suite" ] || die "/etc/os-release names no suite"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
kind=deb-src
echo "$suite main" >"$scratch/suites"
own_lists "$scratch" <"$scratch/suites"
mkdir "$scratch/source"
(cd "$scratch/source" && apt-get -qq -o APT::Sandbox::User=root source --download-only "$package" >&2) ||
	die "could not fetch the source of $package: $(cat "$scratch/log")"
mkdir -p "$folder.part"
tar -xf "$scratch/source/"*.orig.tar.[gx]z --strip-components=1 -C "$folder.part"
mv "$folder.part" "$folder"
