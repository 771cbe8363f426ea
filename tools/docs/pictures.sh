#!/bin/sh
# Draws the README's pictures from real runs, as root, into docs/pictures:
#
#	pictures.sh FREEZE-COMMAND…
#
# What a picture shows is run on a terminal of its own, in the folder of the pages' examples.
set -eu
cd "$(dirname "$0")/../.."
root=$(pwd)
mkdir -p docs/pictures

# draw NAME FREEZE…: a picture of what stdin has, without a font in it.
draw() {
	name=$1
	shift
	"$@" --language ansi --window --padding 20 --font.family monospace --font.size 13 --output "docs/pictures/$name.svg" >/dev/null
	echo "docs/pictures/$name.svg" >&2
}

# terminal COMMAND: what it writes to a terminal of 80 columns; stdin is typed.
terminal() {
	DOCS=sample DOCS_ROOT=$root DOCS_FAILED=/dev/stderr PATH=$root/tools/docs/stand-ins:$PATH TERM=xterm-256color \
		unshare --mount tools/docs/shop.sh script -qec "stty rows 18 cols 80; $1" /dev/null | tr -d '\r'
}

first="sudo opensnoop -x -F --no-system -- ./myapp"
terminal "$first" </dev/null >/dev/null # compiles
{
	echo "\$ $first"
	terminal "$first" </dev/null
} | draw first "$@"

# Some programs that open files; the view stays when q has ended it.
# shellcheck disable=SC2016 # the inner shell's own variables
live='for name in web worker report; do
		cp /bin/sh shop-$name
		./shop-$name -c "while :; do true <shop.toml; true </etc/hosts; true <shop-$name.toml; sleep 0.05; done" &
	done >/dev/null 2>&1
	sudo opensnoop --summary=live -n shop-
	kill $(jobs -p)'
{
	echo "\$ sudo opensnoop --summary=live -n shop-"
	(sleep 4; printf q) | terminal "$live" | awk '/\033\[\?1049l/ { text = ""; sub(/.*\033\[\?1049l/, "") } { text = text $0 "\n" } END { printf "%s", text }'
} | draw live "$@"
