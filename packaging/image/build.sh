#!/bin/sh
# Builds the container images of opensnoop from its Debian package:
#
#	build.sh PACKAGE.deb      opensnoop:latest, and opensnoop:cached without libbcc
#
# ENGINE is podman or docker, BASE the image to begin with, for machines with a mirror of their own.
set -eu

[ $# -eq 1 ] || { echo "usage: build.sh PACKAGE.deb" >&2; exit 2; }
engine=${ENGINE:-$(command -v podman || command -v docker)} || {
	echo "build.sh: neither podman nor docker is here: install one of them" >&2
	exit 1
}
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
cp "$1" "$context/opensnoop.deb"
cp "$(dirname "$0")"/Dockerfile* "$context"
for image in latest cached; do
	file=Dockerfile
	[ $image = latest ] || file=Dockerfile.$image
	# shellcheck disable=SC2086
	"$engine" build ${BUILD_ARGS-} --build-arg BASE="${BASE:-debian:12-slim}" -f "$context/$file" -t opensnoop:$image "$context"
done
