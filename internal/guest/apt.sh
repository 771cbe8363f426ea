# Part of kernel.sh and headers.sh: what they ask of apt. They set $version, the
# version of a kernel, and $part, a folder that does not outlive them. Die is
# theirs.

scratch=
trap 'rm -rf "$part" ${scratch:+"$scratch"}' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# suites: where Debian keeps the version, as "suite label" lines.
suites() {
	case $version in
	5.10 | 5.10.*) echo "bullseye main" && echo "bullseye-security security" ;;
	6.1 | 6.1.*) echo "bookworm main" && echo "bookworm-security security" ;;
	6.12 | 6.12.*) echo "trixie main" && echo "trixie-security security" ;;
	6.1[6-9]* | 6.[2-9][0-9]* | [7-9].* | [1-9][0-9].*) echo "trixie-backports main" ;;
	esac
}

# mirror LABEL: the address of the machine's own source with that label.
mirror() {
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
		sed -n "s/^Debian|$1|//p" | head -n 1
}

# own_lists points apt at a configuration in a scratch folder, and fills it.
own_lists() {
	main=$(mirror Debian)
	[ -n "$main" ] || die "apt's lists name no Debian archive; run apt-get update first"
	security=$(mirror Debian-Security)
	[ -n "$security" ] || security=${main%/}-security
	[ -n "$(suites)" ] || die "no kernel $version in apt's lists, and no Debian suite known to carry it"
	keys=
	for keys in /usr/share/keyrings/debian-archive-keyring.pgp /usr/share/keyrings/debian-archive-keyring.gpg; do
		[ -e "$keys" ] && break
	done

	scratch=$(mktemp -d)
	mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial" "$scratch/parts"
	suites | while read -r suite label; do
		address=$main
		[ "$label" = main ] || address=$security
		echo "deb [signed-by=$keys check-valid-until=no target=Packages] $address $suite main"
	done >"$scratch/sources.list"
	cat >"$scratch/apt.conf" <<-END
		Dir::Etc::SourceList "$scratch/sources.list";
		Dir::Etc::SourceParts "$scratch/parts";
		Dir::State::Lists "$scratch/lists";
		Dir::Cache "$scratch/cache";
	END
	APT_CONFIG=$scratch/apt.conf
	export APT_CONFIG
	# One of the suites may have moved away; what counts is whether a kernel is found.
	apt-get -qq -o APT::Sandbox::User=root update >"$scratch/log" 2>&1 || true
}
