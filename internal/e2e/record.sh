#!/bin/sh
# Keeps what tests print, so that make test can say at its end where they ran and
# what did not run:
#
#	record.sh run NAME COMMAND…    shows what COMMAND prints, and ends with its status
#	record.sh summary              tells of all that was kept, and forgets it
#
# Of unit tests (a NAME that begins with "unit") those that passed are not shown.
set -eu
folder=$(dirname "$0")/../../bin/tests

run() {
	log=$folder/$1
	# The suite's first line, "=== end-to-end suite", is to be seen.
	hidden='^ *=== (RUN|PAUSE|CONT|NAME) '
	case $1 in
	unit*) hidden="$hidden|^ *--- PASS: |^PASS\$" ;;
	esac
	shift
	mkdir -p "$folder"
	{
		status=0
		"$@" 2>&1 || status=$?
		echo $status >"$log.status"
	} | tee "$log.log" | grep --line-buffered -vE "$hidden" || true # grep: all was hidden
	exit "$(cat "$log.status")"
}

# skipped lists the tests in a log that did not run, each with its reason.
skipped() {
	awk '
		/^ *=== (RUN|CONT|NAME) / { test = $3 }
		/^ +[a-z0-9_]+_test\.go:[0-9]+: / { said = $0; sub(/^ +[^ ]+ /, "", said); reason[test] = said }
		/^ *--- SKIP: / { sub(/\*\*\* DID NOT RUN: /, "", reason[$3]); print "    " $3 ": " reason[$3] }
		/^\*\*\* .* DID NOT RUN/ { print "    " $0 }
	' "$1"
}

summary() {
	echo
	echo "=== where the tests ran, and what did not run"
	for log in "$folder"/*.log; do
		[ -e "$log" ] || break
		case $(cat "${log%.log}.status" 2>/dev/null || echo ended) in
		0) verdict=ok ;;
		ended) verdict="did not end" ;;
		*) verdict=FAILED ;;
		esac
		where=$(sed -n 's/^=== \(end-to-end suite .*\)/\1/p' "$log" | tail -n 1)
		[ -n "$where" ] || where="unit tests on this machine, Linux $(uname -r)"
		echo "$verdict: $where"
		skipped "$log"
	done
	rm -rf "$folder"
}

case "$#:${1:-}" in
[3-9]:run | [1-9][0-9]*:run) shift && run "$@" ;;
1:summary) summary ;;
*) echo "usage: record.sh run NAME COMMAND… | summary" >&2 && exit 2 ;;
esac
