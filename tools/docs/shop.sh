#!/bin/sh
# Runs a command in the folder that the pages' examples are of, /srv/shop. It is to be
# in a mount namespace of its own, as root:
#
#	unshare --mount shop.sh COMMAND [ARGUMENT…]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /srv
mkdir /srv/shop
cd /srv/shop
ln -s "$here/stand-ins" bin
cp "$here/stand-ins/myapp" "$here/stand-ins/configure" .
echo 'port = 80' >shop.toml
unset LANG LC_ALL LANGUAGE
export HOME=/home/ada
case "$*" in
*" record "*) ;;
*.osn*)
	for run in $(echo "$*" | grep -o "[a-z0-9-]*\.osn" | sort -u); do
		"$DOCS_ROOT/bin/opensnoop" record "$run" -- cat shop.toml missing.toml >/dev/null 2>&1 || [ -s "$run" ]
	done
	;;
esac
exec "$@"
