#!/bin/sh
# What distro.sh runs in the other system, in a clone of the repository:
#
#	distro-inside.sh SUITE
set -u
suite=$1
export OPENSNOOP_E2E=require
status=0
report=

# did NAME COMMAND…: runs it, and notes how it went.
did() {
	name=$1
	shift
	echo "== $suite: $name"
	if "$@" </dev/null; then
		report="$report $name: ok,"
	else
		report="$report $name: FAILED ($?),"
		status=1
	fi
}

[ ! -x /go/bin/go ] || export GO=/go/bin/go
# The address of the archive is that of an older day.
apt-get -qq update || status=1

# Something that opens files.
(while :; do cat /dev/null; sleep 0.2; done) &
opens=$!
# shellcheck disable=SC2016 # the inner shell's own variables
did "make run" sh -c 'rows=$(make run ARGS="-c 3" | tail -n +2 | wc -l) && [ "$rows" -gt 0 ]'
did "make deb" make deb
did "package" sh -c 'apt-get install -y -qq ./bin/opensnoop_*.deb &&
	opensnoop --version && opensnoop -c 1 && opensnoop doctor --live &&
	apt-get remove -y -qq opensnoop'
kill "$opens"
did "make deps-test" make deps-test KERNEL=
did "unit tests" make test-unit
did "end-to-end suite" make test-host

short=without
bin/opensnoop -v --no-cache -d 0.1 2>&1 >/dev/null | grep -q 'without the short cuts' || short=with
bcc=$(dpkg-query -W -f '${Version}' libbpfcc)
llvm=$(ldd /usr/lib/*/libbcc.so.0 | sed -n 's/.*libLLVM[-.a-z]*\([0-9][0-9]*\).*/\1/p' | head -n 1)
echo "== $suite: libbcc $bcc, LLVM $llvm, $short the short cuts, $("${GO:-$(packaging/go.sh find)}" version):$report done"
exit "$status"
