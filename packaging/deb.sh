#!/bin/sh
# Builds a Debian package of opensnoop for this machine's architecture, from what
# make install puts in place:
#
#	VERSION=v1.2-3-gabc deb.sh FOLDER      FOLDER/opensnoop_1.2+3+gabc_amd64.deb
#
# It needs dpkg-deb and dpkg-shlibdeps, and no root.
set -eu

[ $# -eq 1 ] || { echo "usage: deb.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

# A Debian version begins with a digit and has no - but before its revision.
version=$(echo "${VERSION:-unknown}" | sed 's/^v//; s/-/+/g')
case $version in
[0-9].* | [0-9][0-9].*) ;;
*) version=0~git$version ;; # a commit's hash
esac
arch=$(dpkg --print-architecture)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
tree=$scratch/tree
make --no-print-directory install DESTDIR="$tree" PREFIX=/usr >&2
strip --strip-unneeded "$tree/usr/sbin/opensnoop"
gzip -9n "$tree/usr/share/man/man8/opensnoop.8"
# zsh of Debian looks for those of packages elsewhere.
mv "$tree/usr/share/zsh/site-functions" "$tree/usr/share/zsh/vendor-completions"
install -D -m 644 packaging/copyright "$tree/usr/share/doc/opensnoop/copyright"

# dpkg-shlibdeps wants a source package around it.
mkdir -p "$scratch/debian" "$tree/DEBIAN"
printf 'Source: opensnoop\n\nPackage: opensnoop\nArchitecture: any\n' >"$scratch/debian/control"
depends=$(cd "$scratch" && dpkg-shlibdeps -O tree/usr/sbin/opensnoop | sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { echo "deb.sh: dpkg-shlibdeps names no dependencies" >&2; exit 1; }
# Loaded while the program runs, which dpkg-shlibdeps does not see.
depends="$depends, libbpfcc (>= 0.18)"
cat >"$tree/DEBIAN/control" <<END
Package: opensnoop
Version: $version
Architecture: $arch
Maintainer: the opensnoop authors <opensnoop@localhost>
Section: utils
Priority: optional
Installed-Size: $(du -sk --exclude=DEBIAN "$tree" | cut -f1)
Depends: $depends
Description: show every file that any process opens
 A row for each open, as it happens, of all processes or of some, by a BPF
 program that is compiled on the machine that it traces. No kernel headers are
 needed.
END
# libbpf-tools has a program of that name. Both can be installed: this one steps in
# front, and the other has its name back when this one is removed.
cat >"$tree/DEBIAN/preinst" <<'END'
#!/bin/sh
set -e
[ "$1" = abort-upgrade ] ||
	dpkg-divert --quiet --package opensnoop --add --rename --divert /usr/sbin/opensnoop.libbpf-tools /usr/sbin/opensnoop
END
cat >"$tree/DEBIAN/postrm" <<'END'
#!/bin/sh
set -e
case $1 in
remove | abort-install | disappear)
	dpkg-divert --quiet --package opensnoop --remove --rename --divert /usr/sbin/opensnoop.libbpf-tools /usr/sbin/opensnoop
	;;
purge)
	rm -rf /var/cache/opensnoop # what it compiled
	;;
esac
END
chmod +x "$tree/DEBIAN/preinst" "$tree/DEBIAN/postrm"
chmod -R u=rwX,go=rX "$tree"

rm -f "$folder"/opensnoop_*.deb
dpkg-deb --root-owner-group --build "$tree" "$folder/opensnoop_${version}_$arch.deb"
