#!/bin/sh
# Builds a Debian package of opensnoop for this machine's architecture, from what
# make install puts in place:
#
#	VERSION=v1.2-3-gabc deb.sh FOLDER      FOLDER/opensnoop_1.2+3+gabc_amd64.deb
#
# Without a tag the version is by date: 0~git20261130.142233.abcdef0. It needs dpkg-deb and
# dpkg-shlibdeps, and no root. DEBFULLNAME and DEBEMAIL say who makes it.
set -eu

[ $# -eq 1 ] || { echo "usage: deb.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

# A Debian version begins with a digit and has no - but before its revision.
version=$(echo "${VERSION:-unknown}" | sed 's/^v//; s/-/+/g')
case $version in
[0-9].* | [0-9][0-9].*) ;;
*) version=0~git$(TZ=UTC git log -1 --date=format-local:%Y%m%d.%H%M%S --format=%cd 2>/dev/null || echo 0).$version ;; # a commit's hash
esac
maintainer="${DEBFULLNAME-} <${DEBEMAIL-}>"
[ -n "${DEBFULLNAME-}" ] && [ -n "${DEBEMAIL-}" ] || maintainer=$(git log -1 --format='%an <%ae>' 2>/dev/null) ||
	maintainer="the opensnoop authors <opensnoop@packages.example>"
arch=$(dpkg --print-architecture)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
tree=$scratch/tree
make --no-print-directory install DESTDIR="$tree" PREFIX=/usr >&2
strip --strip-unneeded "$tree/usr/bin/opensnoop"
gzip -9n "$tree/usr/share/man/man8/opensnoop.8"
# zsh of Debian looks for those of packages elsewhere.
mv "$tree/usr/share/zsh/site-functions" "$tree/usr/share/zsh/vendor-completions"
doc=$tree/usr/share/doc/opensnoop
install -D -m 644 packaging/copyright "$doc/copyright"
cp -r README.md CHANGELOG.md docs "$doc"
gzip -9n >"$doc/changelog.gz" <<END
opensnoop ($version) unstable; urgency=medium

  * CHANGELOG.md says what has changed.

 -- $maintainer  $(date -R)
END

# dpkg-shlibdeps wants a source package around it.
mkdir -p "$scratch/debian" "$tree/DEBIAN"
printf 'Source: opensnoop\n\nPackage: opensnoop\nArchitecture: any\n' >"$scratch/debian/control"
depends=$(cd "$scratch" && dpkg-shlibdeps -O tree/usr/bin/opensnoop | sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { echo "deb.sh: dpkg-shlibdeps names no dependencies" >&2; exit 1; }
# Loaded while the program runs, which dpkg-shlibdeps does not see.
depends="$depends, libbpfcc (>= 0.18)"
cat >"$tree/DEBIAN/control" <<END
Package: opensnoop
Version: $version
Architecture: $arch
Maintainer: $maintainer
Section: utils
Priority: optional
Installed-Size: $(du -sk --exclude=DEBIAN "$tree" | cut -f1)
Depends: $depends
Description: show every file that any process opens
 A row for each open, as it happens, of all processes or of some, by a BPF
 program that is compiled on the machine that it traces. No kernel headers are
 needed.
END
# libbpf-tools has /usr/sbin/opensnoop, which root's PATH has first. It stays what it is: the
# user is told. Older packages of ours put it aside.
cat >"$tree/DEBIAN/postinst" <<'END'
#!/bin/sh
set -e
other=/usr/sbin/opensnoop
if [ "$1" = configure ]; then
	if [ "$(dpkg-divert --listpackage $other)" = opensnoop ]; then
		dpkg-divert --quiet --package opensnoop --remove --rename --divert $other.libbpf-tools $other
	fi
	if [ -e $other ]; then
		echo "opensnoop: sudo finds $other of libbpf-tools first:" >&2
		echo "  /usr/share/doc/opensnoop/docs/troubleshooting.md says what to do" >&2
	fi
fi
END
cat >"$tree/DEBIAN/postrm" <<'END'
#!/bin/sh
set -e
if [ "$1" = purge ]; then
	rm -rf /var/cache/opensnoop # what it compiled
fi
END
chmod +x "$tree/DEBIAN/postinst" "$tree/DEBIAN/postrm"
chmod -R u=rwX,go=rX "$tree"

rm -f "$folder"/opensnoop_*.deb
package=opensnoop_${version}_$arch.deb
dpkg-deb --root-owner-group --build "$tree" "$folder/$package" >/dev/null
echo "$folder/$package" is there. To install it, or to upgrade:
echo "  sudo apt install ./$(basename "$folder")/$package"
