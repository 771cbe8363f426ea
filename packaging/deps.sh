#!/bin/sh
# Installs those of some Debian packages that are not installed:
#
#	deps.sh PACKAGE…
#
# Where there is no apt it names them. All it says, and all that apt says, goes to
# stderr.
set -eu
exec >&2

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "This system has no apt. Please install what these Debian packages hold, if it is missing: $*"
	exit 0
fi
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo

missing=
for package in "$@"; do
	# shellcheck disable=SC2016 # dpkg's own variable
	dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
		missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "installing$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086 # one word a package
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
