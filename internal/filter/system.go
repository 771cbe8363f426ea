package filter

// System is what --no-system leaves out: what the loader, the locale and the C library open in every
// program, where they look for it in vain, too, and what interpreters look for beside themselves.
// The first are the commonest: the kernel compares a few.
var System = []string{
	// The loader.
	"/etc/ld.so.cache",
	"/etc/ld.so.preload",
	"/lib{,32,64,x32}/**/*.so*",
	"/usr/lib{,32,64,x32}/**/*.so*",
	"/usr/local/lib/**/*.so*",

	// The locale and the messages.
	"/usr/lib/locale/**",
	"/usr/share/locale/**",
	"/usr/share/locale-langpack/**",
	"/etc/locale.alias",
	"/usr/lib/**/gconv/**",
	"/usr/lib/gconv/**",

	// The C library: names of users and hosts, the time.
	"/etc/nsswitch.conf",
	"/etc/localtime",
	"/usr/share/zoneinfo/**",

	// What it and others ask the kernel.
	"/proc/filesystems",
	"/proc/self/maps",
	"/proc/sys/kernel/ngroups_max",
	"/proc/sys/vm/overcommit_memory",
	"/sys/devices/system/cpu/**",
	"/sys/kernel/mm/transparent_hugepage/**",
	"/dev/urandom",
	"/dev/null",

	// Python, of its own.
	"/**/pyvenv.cfg",
	"/**/pybuilddir.txt",
	"/**/python*._pth",
	"/**/python3*.zip",
	"/**/__pycache__/**",
}

// SystemComms are parts of comms that --no-system leaves out: of a container's runtime, before it
// executes the container's program.
var SystemComms = []string{"runc:["}

// SystemGlobs are those of System.
func SystemGlobs() (Globs, error) {
	var globs Globs
	for _, text := range System {
		g, err := ParseGlob(text)
		if err != nil {
			return nil, err
		}
		globs = append(globs, g)
	}
	return globs, nil
}
