#!/bin/sh
# Runs some of the end-to-end suite in guests that differ in other ways than by kernel:
#
#	modes.sh KERNELS [wide]
#
# KERNELS is the folder with the kernels (tools/guest/kernel.sh), of which this takes
# 5.10, 6.1, 6.12, 6.18 and 7; CORE matches the tests of the suite's core. With wide it
# is machines of 64 CPUs, and the kernels for clouds and for real time. Each is one line of output, with what the tests printed if they failed.
set -eu
cd "$(dirname "$0")/../.."
kernels=$1
log=bin/tests/modes
mkdir -p "$log"
echo "=== end-to-end suite in guests of other modes and sizes"
export OPENSNOOP_E2E=require

few='EveryDoorShows|VerboseNames|Modes|Doctor$'
floods='EveryDoorShows|FloodsThatPreempt|LossIsCounted'

# mode NAME KERNEL TESTS [FLAG…]: the flags are guestrun's. As many run at a time as there are
# CPUs, or MODES_AT_ONCE.
status=0
running=
mode() {
	name=$1
	kernel=$2
	tests=$3
	shift 3
	(
		flags=
		for flag in "$@"; do flags="$flags $flag"; done
		result=0
		go test -count=1 -v -timeout 30m -run "$tests" \
			-exec "$PWD/bin/guestrun -kernel $kernels/$kernel -timeout 28m$flags" ./internal/e2e >"$log/$name.log" 2>&1 || result=$?
		echo "$result" >"$log/$name.status"
	) &
	running="$running $name"
	# shellcheck disable=SC2086 # one word a mode
	set -- $running
	[ $# -lt "${MODES_AT_ONCE:-$(nproc)}" ] || finish
}

finish() {
	wait
	for name in $running; do
		if [ "$(cat "$log/$name.status" 2>/dev/null)" = 0 ]; then
			echo "--- PASS: $name ($(grep -c '^--- PASS' "$log/$name.log") tests, $(sed -n 's/^=== .*, //p' "$log/$name.log"))"
		else
			cat "$log/$name.log"
			echo "--- FAIL: $name"
			status=1
		fi
	done
	running=
}

# refuses NAME TEXT KERNEL [FLAG…]: opensnoop ends with 1 there, and says that.
refuses() {
	name=$1
	text=$2
	kernel=$3
	shift 3
	result=0
	said=$(timeout 300 bin/guestrun -kernel "$kernels/$kernel" "$@" -- \
		sh -c "mount -t securityfs none /sys/kernel/security; exec bin/opensnoop -d 0.1" 2>&1) || result=$?
	case "$result $said" in
	1*"$text"*) echo "--- PASS: $name" ;;
	*)
		echo "--- FAIL: $name: status $result: $said"
		status=1
		;;
	esac
}

case ${2:-} in
wide)
	mode cpus-64 6.12 "$floods" -cpus 64 -memory 4096
	mode cloud 6.12-cloud "$few|$floods"
	mode rt 6.12-rt "$few|$floods"
	;;
'')
	# Beside what the whole suite and its core run with: voluntary in 6.1, full in 6.12, lazy in 7.
	mode preempt-none 6.12 "$floods" -boot preempt=none
	mode preempt-full-7 7 "$floods" -boot preempt=full
	# What trampolines miss where they are not the choice is told.
	OPENSNOOP_PROBE=fentry mode preempt-full-fentry 6.12 "$floods" -boot preempt=full
	mode cpus-1 6.12 "$floods" -cpus 1
	mode cpus-8 6.12 "$floods" -cpus 8
	mode memory-512 6.12 "$few" -memory 512
	mode lockdown-integrity 6.12 "$few" -boot lockdown=integrity
	# Where the kernel interprets BPF programs.
	for kernel in 5.10 6.1 6.12 6.18 7; do
		OPENSNOOP_JIT=off mode "interpreter-$kernel" "$kernel" "ModesInterpreted|${CORE:?}" -boot sysctl.net.core.bpf_jit_enable=0
	done
	finish
	refuses lockdown-confidentiality "lockdown" 6.12 -boot lockdown=confidentiality
	;;
*)
	echo "usage: modes.sh KERNELS [wide]" >&2
	exit 2
	;;
esac
finish
exit "$status"
