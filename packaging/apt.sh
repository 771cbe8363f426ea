# shellcheck shell=sh
# Part of scripts that look for packages in suites that the machine's apt does not
# know. The machine's own configuration stays as it is. Die is theirs.

# mirror LABEL: the address of the machine's own source with that label.
mirror() {
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
		sed -n "s/^Debian|$1|//p" | head -n 1
}

# main_mirror: that of Debian's own packages.
main_mirror() {
	main=$(mirror Debian)
	[ -n "$main" ] || die "apt's lists name no Debian archive; run apt-get update first"
}

# new_system SUITE TARGET OPTION…: makes a system, or an archive of one, by mmdebstrap, which
# gets the options. The archive may be that of an older day.
new_system() {
	main_mirror
	suite=$1
	target=$2
	shift 2
	mmdebstrap --quiet --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
		"$@" "$suite" "$target" "deb $main $suite main" >&2
}

# own_lists FOLDER: points apt at a configuration in an empty folder, and fills it
# with the lists of the suites on stdin, as "suite label" lines where the label is
# main or security, for the architecture $arch if that is set; with deb-src in $kind, those of
# sources. What apt says goes to FOLDER/log.
own_lists() {
	main_mirror
	security=$(mirror Debian-Security)
	[ -n "$security" ] || security=${main%/}-security
	for keys in /usr/share/keyrings/debian-archive-keyring.pgp /usr/share/keyrings/debian-archive-keyring.gpg; do
		[ -e "$keys" ] && break
	done

	mkdir -p "$1/lists/partial" "$1/cache/archives/partial" "$1/parts"
	while read -r suite label; do
		address=$main
		[ "$label" = main ] || address=$security
		target=Packages
		[ "${kind:-deb}" = deb ] || target=Sources
		echo "${kind:-deb} [signed-by=$keys check-valid-until=no target=$target] $address $suite main"
	done >"$1/sources.list"
	cat >"$1/apt.conf" <<-END
		Dir::Etc::SourceList "$1/sources.list";
		Dir::Etc::SourceParts "$1/parts";
		Dir::State::Lists "$1/lists";
		Dir::Cache "$1/cache";
		${arch:+APT::Architecture "$arch"; APT::Architectures "$arch";}
	END
	APT_CONFIG=$1/apt.conf
	export APT_CONFIG
	# One of the suites may have moved away; what counts is whether a package is found.
	apt-get -qq -o APT::Sandbox::User=root update >"$1/log" 2>&1 || true
}
