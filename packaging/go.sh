#!/bin/sh
# Finds Go, or installs it:
#
#	go.sh find       prints the path of a Go that can build opensnoop; 1 if there is none
#	go.sh install    installs one where the distribution has it
#
# Any Go from 1.21 on can: it fetches the version that go.mod names. Debian and
# Ubuntu have packages of versions beside the one that golang-go names; Debian's
# newer ones are in its backports. Nothing but the path goes to stdout.
set -eu

oldest=21 # of 1.21

die() {
	echo "go.sh: $*" >&2
	exit 1
}

# minor GO: the N of a go command's version 1.N.
minor() {
	GOTOOLCHAIN=local "$1" version 2>/dev/null | sed -n 's/.*go1\.\([0-9][0-9]*\).*/\1/p'
}

find_go() {
	# Versioned packages put it into a folder of its own, in nobody's PATH.
	for go in "${GO:-go}" go /usr/local/go/bin/go $(printf '%s\n' /usr/lib/go-1.*/bin/go | sort -rV); do
		go=$(command -v "$go") || continue
		found=$(minor "$go") || continue
		if [ "${found:-0}" -ge $oldest ]; then
			echo "$go"
			return
		fi
	done
	return 1
}

# package: the best package with a new enough Go that apt's lists have.
package() {
	default=$(LC_ALL=C apt-cache policy golang-go | sed -n 's/^ *Candidate: \([0-9]*:\)\{0,1\}1\.\([0-9]*\).*/\2/p')
	if [ "${default:-0}" -ge $oldest ]; then
		echo golang-go
		return
	fi
	newest=$(apt-cache search --names-only '^golang-1\.[0-9]+-go$' | sed 's/^golang-1\.\([0-9]*\)-go .*/\1/' | sort -n | tail -n 1)
	[ "${newest:-0}" -lt $oldest ] || echo "golang-1.$newest-go"
}

# backports points apt at the suite of Debian that has newer versions.
backports() {
	name=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	if [ -z "$name" ] || ! grep -qx 'ID="\{0,1\}debian"\{0,1\}' /etc/os-release; then
		return 1
	fi
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	own_lists "$scratch" <<-END
		$name main
		$name-security security
		$name-backports main
	END
}

install_go() {
	unmet="Go is missing: install Go 1.$oldest or newer (it fetches the version that go.mod names) so that it is in PATH, or give make GO=/path/to/go"
	command -v apt-get >/dev/null || die "$unmet"
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	# shellcheck source=packaging/apt.sh
	. "$(dirname "$0")/apt.sh"

	best=$(package)
	if [ -z "$best" ]; then
		$sudo apt-get update -qq
		best=$(package)
	fi
	if [ -z "$best" ] && backports; then
		best=$(package)
	fi
	[ -n "$best" ] || die "this distribution has no package of a Go that is new enough. $unmet"
	echo "installing $best"
	$sudo env DEBIAN_FRONTEND=noninteractive ${APT_CONFIG:+"APT_CONFIG=$APT_CONFIG"} \
		apt-get install -y -qq --no-install-recommends -o APT::Sandbox::User=root "$best"
	find_go >/dev/null || die "$best is installed, but holds no go command that works. $unmet"
}

case "$#:${1:-}" in
1:find) find_go ;;
1:install) find_go >/dev/null || install_go >&2 ;;
*) echo "usage: go.sh find|install" >&2 && exit 2 ;;
esac
