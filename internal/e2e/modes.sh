#!/bin/sh
# Runs some of the end-to-end suite in a guest of another mode or size:
#
#	modes.sh list            names the modes
#	modes.sh list-wide       names those for machines of 64 CPUs, clouds and real time
#	modes.sh KERNELS MODE    runs one
#
# KERNELS is the folder with the kernels (tools/guest/kernel.sh), and TESTRUN is how tools/testrun is called.
set -eu
cd "$(dirname "$0")/../.."
do=$1
chosen=${2:-}
export OPENSNOOP_E2E=require

few='EveryDoorShows|VerboseNames|Modes|Doctor$'
floods='EveryDoorShows|FloodsThatPreempt|FloodsWithoutFilter|LossIsCounted|ForksWhileAttaching'

# mode NAME KERNEL TESTS [FLAG…]: the flags are guestrun's.
mode() {
	[ "$do" != list ] || echo "$1"
	[ "$chosen" = "$1" ] || return 0
	name=$1
	kernel=$do/$2
	tests=$3
	shift 3
	# shellcheck disable=SC2086 # of several words
	exec $TESTRUN -name "mode-$name" -again go test -count=1 -v -timeout 60m -run "$tests" \
		-exec "$PWD/bin/guestrun -kernel $kernel -timeout 55m $*" ./internal/e2e
}

# refuses NAME TEXT KERNEL [FLAG…]: opensnoop ends with 1 there, and says that.
refuses() {
	[ "$do" != list ] || echo "$1"
	[ "$chosen" = "$1" ] || return 0
	text=$2
	kernel=$do/$3
	shift 3
	status=0
	said=$(timeout 600 bin/guestrun -kernel "$kernel" "$@" -- \
		sh -c "mount -t securityfs none /sys/kernel/security; exec bin/opensnoop -d 0.1" 2>&1) || status=$?
	case "$status $said" in
	1*"$text"*) echo "--- PASS: $chosen" && exit 0 ;;
	*) echo "--- FAIL: $chosen: status $status: $said" && exit 1 ;;
	esac
}

# Beside what the whole suite and its core run with: voluntary in 6.1, full in 6.12, lazy in 7.
modes() {
	mode preempt-none 6.12 "$floods" -boot preempt=none
	mode preempt-full-7 7 "$floods" -boot preempt=full
	# What trampolines miss where they are not the choice is told.
	OPENSNOOP_PROBE=fentry mode preempt-full-fentry 6.12 "$floods" -boot preempt=full
	mode cpus-1 6.12 "$floods" -cpus 1
	mode cpus-8 6.12 "$floods" -cpus 8
	mode memory-512 6.12 "$few" -memory 512
	mode systemd 6.12 ModesSystemd -boot guest.systemd
	mode lockdown-integrity 6.12 "$few" -boot lockdown=integrity
	refuses lockdown-confidentiality "lockdown" 6.12 -boot lockdown=confidentiality
	# Where the kernel interprets BPF programs.
	for version in 5.10 6.12 7; do
		OPENSNOOP_JIT=off mode "interpreter-$version" "$version" "ModesInterpreted|EveryDoorShows|TestPaths\$|TestExecs\$|FollowsAll" -boot sysctl.net.core.bpf_jit_enable=0
	done
}

wide() {
	mode cpus-64 6.12 "$floods" -cpus 64 -memory 4096
	mode cloud 6.12-cloud "$few|$floods"
	mode rt 6.12-rt "$few|$floods"
}

case $do in
list) modes ;;
list-wide) do=list && wide ;;
*) modes && wide && echo "modes.sh: no mode $chosen" >&2 && exit 2 ;;
esac
