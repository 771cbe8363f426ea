# shellcheck shell=sh
# Part of kernel.sh and headers.sh: where Debian has which kernel. They set
# $version, the version of a kernel, and $part, a folder that does not outlive
# them. Die is theirs.

# shellcheck source=packaging/apt.sh
. "$(dirname "$0")/../../packaging/apt.sh"

scratch=
# shellcheck disable=SC2154 # theirs
trap 'rm -rf "$part" ${scratch:+"$scratch"}' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# suites: where Debian keeps the version, as "suite label" lines.
suites() {
	# shellcheck disable=SC2154 # theirs
	case $version in
	5.10 | 5.10.*) echo "bullseye main" && echo "bullseye-security security" ;;
	6.1 | 6.1.*) echo "bookworm main" && echo "bookworm-security security" ;;
	6.12 | 6.12.*) echo "trixie main" && echo "trixie-security security" ;;
	6.1[6-9]* | 6.[2-9][0-9]* | [7-9] | [7-9].* | [1-9][0-9].*) echo "trixie-backports main" ;;
	esac
}

# kernel_lists makes apt look where the version is.
kernel_lists() {
	[ -n "$(suites)" ] || die "no kernel $version in apt's lists, and no Debian suite known to carry it"
	scratch=$(mktemp -d)
	own_lists "$scratch" <<-END
		$(suites)
	END
}
