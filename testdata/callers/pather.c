// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// Opens files relative to all kinds of folders below DIR, and says on stdout what the
// absolute path of each is, for the end-to-end tests:
//
//	pather DIR [OPENS | overfull]
//
// With OPENS it opens DIR/a0/b0/1/…/f at least so often, by a relative name, while another process
// renames a0 to a1 and back, then b0 to b1 and back, then moves b0 into DIR/z and back. It goes on
// until that has been done often, and prints how many opens these were.
//
// With overfull, all strings of a record are as long as they can be, OVERFULL times.
//
// Else a line of stdout is
//
//	CASE <tab> PROBLEM <tab> PATH <tab> NAME
//
// with PROBLEM as JSON has it, empty for none, and PATH (what is known of it) and NAME in
// hexadecimal. The open has the comm COMM; others have not. The last open is END.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "must.h"

#ifndef SYS_openat2 // of older systems' headers
#define SYS_openat2 437
#endif

#define COMM "the-case"
#define END "/end-of-opener"

static char *dir; // without links in it

static void hex(const char *text)
{
	for (; *text; text++)
		printf("%02x", (unsigned char)*text);
}

static void expect(const char *what, const char *problem, const char *path, const char *name)
{
	printf("%s\t%s\t", what, problem);
	hex(path);
	printf("\t");
	hex(name);
	printf("\n");
	fflush(stdout);
}

__attribute__((format(printf, 1, 2))) static char *text(const char *format, ...)
{
	va_list args;
	char *made;

	va_start(args, format);
	if (vasprintf(&made, format, args) < 0)
		fail("vasprintf");
	va_end(args);
	return made;
}

// The next open is the one that counts.
static void begin(void)
{
	MUST(prctl(PR_SET_NAME, COMM));
}

static void done(long fd)
{
	MUST(prctl(PR_SET_NAME, "pather"));
	if (fd >= 0)
		close(fd);
}

static void open_at(int dfd, const char *name)
{
	begin();
	done(syscall(SYS_openat, dfd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

static void open_resolving(int dfd, const char *name, unsigned long long resolve)
{
	struct open_how how = {.flags = O_RDONLY, .resolve = resolve};

	begin();
	done(syscall(SYS_openat2, dfd, name, &how, sizeof(how)));
}

// check opens a name relative to a folder, whose path is known.
static void check(const char *what, int dfd, const char *name, const char *path)
{
	expect(what, "", path, name);
	open_at(dfd, name);
}

static void check_problem(const char *what, int dfd, const char *name, const char *problem, const char *known)
{
	expect(what, problem, known, name);
	open_at(dfd, name);
}

static char *in(const char *name)
{
	return text("%s/%s", dir, name);
}

static int make_dir(const char *path)
{
	int fd;

	if (mkdir(path, 0755) && errno != EEXIST)
		fail(path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(fd);
	return fd;
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	MUST(fd);
	close(fd);
}

// apart runs a case in a process of its own.
static void apart(void (*run)(void))
{
	int status;
	pid_t pid = fork();

	MUST(pid);
	if (!pid) {
		run();
		exit(0);
	}
	MUST(waitpid(pid, &status, 0));
	if (status)
		exit(1);
}

static void plain(void)
{
	int fd = make_dir(in("a")), high;
	struct rlimit limit = {2000, 2000};

	make_dir(in("a/b"));
	make_file(in("a/b/file"));
	MUST(chdir(in("a/b")));
	check("relative", AT_FDCWD, "file", in("a/b/file"));
	check("absolute", AT_FDCWD, "/etc/hostname", "/etc/hostname");
	check("absolute, with a descriptor", fd, "/etc/hostname", "/etc/hostname");
	check("not there", AT_FDCWD, "none", in("a/b/none"));
	check("dot", AT_FDCWD, ".", in("a/b"));
	check("dots", AT_FDCWD, "./.././/b/./file", in("a/b/file"));
	check("up", AT_FDCWD, "..", in("a"));
	check("up and down", AT_FDCWD, "../b/../b/file", in("a/b/../b/file"));
	check("more up than there is", AT_FDCWD, "../../../../../../../../../../../../../../../../etc/hostname", "/etc/hostname");
	check("slashes", AT_FDCWD, "//etc///hostname/", "/etc/hostname");
	check("empty", AT_FDCWD, "", in("a/b"));
	check("descriptor", fd, "b/file", in("a/b/file"));
	check("descriptor of a file", open("file", O_RDONLY | O_CLOEXEC), "x", in("a/b/file/x"));
	check("descriptor without rights", open("..", O_PATH | O_CLOEXEC), "b/file", in("a/b/file"));
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	high = fcntl(fd, F_DUPFD_CLOEXEC, 1500);
	MUST(high);
	check("high descriptor", high, "b/file", in("a/b/file"));
	check_problem("bad descriptor", 1234, "b/file", "bad descriptor", "b/file");
	check_problem("negative descriptor", -7, "b/file", "bad descriptor", "b/file");
	expect("beneath", "", in("a/b/file"), "b/file");
	open_resolving(fd, "b/file", RESOLVE_BENEATH);
	expect("in root", "", in("a/b/file"), "/b/file");
	open_resolving(fd, "/b/file", RESOLVE_IN_ROOT);
	expect("up in root", "", in("a/b/file"), "../../b/file");
	open_resolving(fd, "../../b/file", RESOLVE_IN_ROOT);
	expect("in working folder as root", "", in("a/b/file"), "/../file");
	open_resolving(AT_FDCWD, "/../file", RESOLVE_IN_ROOT);
	check("proc", AT_FDCWD, "/proc/self/cwd/file", "/proc/self/cwd/file");
	MUST(chdir("/"));
	check("in the root", AT_FDCWD, "etc/hostname", "/etc/hostname");
	check("the root", AT_FDCWD, ".", "/");
}

// real_files opens what has another path than its name says, or none.
static void real_files(void)
{
	int fds[2], fd;

	MUST(chdir(in("a")));
	MUST(symlink("a/b", in("link")));
	MUST(symlink(in("link/file"), in("link-to-link")));
	check("a link", AT_FDCWD, in("link-to-link"), in("link-to-link"));
	check("by a linked folder", AT_FDCWD, "../link/../b/file", in("link/../b/file"));
	check("a device", AT_FDCWD, "/dev/null", "/dev/null");
	MUST(fd = memfd_create("mem\nory", 0));
	check("a memfd", AT_FDCWD, text("/proc/self/fd/%d", fd), text("/proc/self/fd/%d", fd));
	MUST(pipe(fds));
	check("a pipe", AT_FDCWD, text("/proc/self/fd/%d", fds[0]), text("/proc/self/fd/%d", fds[0]));
	make_file(in("to-delete"));
	MUST(fd = open(in("to-delete"), O_RDONLY));
	MUST(unlink(in("to-delete")));
	check("a deleted file", AT_FDCWD, text("/proc/self/fd/%d", fd), text("/proc/self/fd/%d", fd));
}

static void odd_names(void)
{
	char newlines[256], *odd = in("\x1b[2J\\\xff \xe6\x97");

	make_dir(odd);
	MUST(chdir(odd));
	check("odd bytes", AT_FDCWD, "f\n", text("%s/f\n", odd));
	memset(newlines, '\n', 255);
	newlines[255] = 0;
	make_dir(in(newlines));
	MUST(chdir(in(newlines)));
	check("255 bytes", AT_FDCWD, newlines, text("%s/%s", in(newlines), newlines));
	MUST(chdir(dir));
	make_dir(in("31-bytes-xxxxxxxxxxxxxxxxxxxxxx"));
	MUST(chdir(in("31-bytes-xxxxxxxxxxxxxxxxxxxxxx")));
	check("31 bytes", AT_FDCWD, "f", in("31-bytes-xxxxxxxxxxxxxxxxxxxxxx/f"));
	MUST(chdir(dir));
	make_dir(in("32-bytes-xxxxxxxxxxxxxxxxxxxxxxx"));
	MUST(chdir(in("32-bytes-xxxxxxxxxxxxxxxxxxxxxxx")));
	check("32 bytes", AT_FDCWD, "f", in("32-bytes-xxxxxxxxxxxxxxxxxxxxxxx/f"));
}

static void deleted(void)
{
	int fd = make_dir(in("deleted"));

	MUST(chdir(in("deleted")));
	MUST(rmdir(in("deleted")));
	check_problem("deleted", AT_FDCWD, "x", "deleted folder", in("deleted/x"));
	check_problem("deleted, by descriptor", fd, "x", "deleted folder", in("deleted/x"));
	check("absolute, from a deleted folder", AT_FDCWD, "/etc/hostname", "/etc/hostname");
}

// deep goes down so many folders of a name.
static char *deep(const char *name, int depth)
{
	char *path = in("");

	path[strlen(path) - 1] = 0;
	MUST(chdir(dir));
	for (int i = 0; i < depth; i++) {
		if (mkdir(name, 0755) && errno != EEXIST)
			fail(name);
		MUST(chdir(name));
		path = text("%s/%s", path, name);
	}
	return path;
}

static void depths(void)
{
	char name[256], *path = deep("d", 7);

	check("7 deep", AT_FDCWD, "f", text("%s/f", path));
	path = deep("d", 8);
	check("8 deep", AT_FDCWD, "f", text("%s/f", path));
	path = deep("a-name-of-20-bytes-x", 128);
	check("128 deep", AT_FDCWD, "f", text("%s/f", path));
	memset(name, 'n', 200);
	name[200] = 0;
	path = deep(name, 18);
	check("18 times 200 bytes", AT_FDCWD, "f", text("%s/f", path));
}

static void too_deep(void)
{
	deep("d", 700);
	// How much of it is known is not for us to know.
	check_problem("700 deep", AT_FDCWD, "f", "too deep", "");
}

static void *chdir_alone(void *unused)
{
	(void)unused;
	MUST(unshare(CLONE_FS));
	MUST(chdir(in("a")));
	check("a thread's own folder", AT_FDCWD, "b/file", in("a/b/file"));
	return NULL;
}

static void threads(void)
{
	pthread_t thread;

	MUST(chdir("/"));
	if (pthread_create(&thread, NULL, chdir_alone, NULL))
		fail("pthread_create");
	pthread_join(thread, NULL);
	check("the other thread's", AT_FDCWD, "etc/hostname", "/etc/hostname");
}

// unfaulted is a name in memory that is not there yet.
static char *unfaulted(const char *name)
{
	static int count;
	char *file = text("%s/unfaulted-%d", dir, count++);
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	char *at;

	MUST(fd);
	MUST(write(fd, name, strlen(name) + 1));
	at = mmap(NULL, strlen(name) + 1, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		fail("mmap");
	MUST(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	close(fd);
	return at;
}

static void unfaulted_names(void)
{
	MUST(chdir(in("a/b")));
	expect("unfaulted and relative", "", in("a/b/file"), "file");
	open_at(AT_FDCWD, unfaulted("file"));
	expect("unfaulted and absolute", "", "/etc/hostname", "/etc/hostname");
	open_at(AT_FDCWD, unfaulted("/etc/hostname"));
}

static void jail(void)
{
	char *absolute, *relative;
	int outside = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	make_dir(in("jail"));
	make_dir(in("jail/etc"));
	make_file(in("jail/etc/file"));
	absolute = unfaulted("/etc/file");
	relative = unfaulted("../etc/file");
	MUST(chroot(in("jail")));
	MUST(chdir("/etc"));
	check("absolute in a jail", AT_FDCWD, "/etc/file", in("jail/etc/file"));
	check("relative in a jail", AT_FDCWD, "file", in("jail/etc/file"));
	check("up in a jail", AT_FDCWD, "../../../etc/file", in("jail/etc/file"));
	check("the root of a jail", AT_FDCWD, "/", in("jail"));
	check("out of a jail", outside, "etc/hostname", "/etc/hostname");
	expect("unfaulted and absolute in a jail", "", in("jail/etc/file"), "/etc/file");
	open_at(AT_FDCWD, absolute);
	expect("unfaulted and relative in a jail", "", in("jail/etc/file"), "../etc/file");
	open_at(AT_FDCWD, relative);
}

static void mounts(void)
{
	int fd;

	make_dir(in("mnt"));
	MUST(mount("none", in("mnt"), "tmpfs", 0, ""));
	make_dir(in("mnt/sub"));
	make_file(in("mnt/sub/file"));
	MUST(chdir(in("mnt/sub")));
	check("on another file system", AT_FDCWD, "file", in("mnt/sub/file"));
	MUST(chdir(in("mnt")));
	check("at the root of one", AT_FDCWD, "sub/file", in("mnt/sub/file"));
	check("up from one", AT_FDCWD, "../a/b/file", in("a/b/file"));
	make_dir(in("bound"));
	MUST(mount(in("a/b"), in("bound"), NULL, MS_BIND, NULL));
	MUST(chdir(in("bound")));
	check("on a bind mount", AT_FDCWD, "file", in("bound/file"));
	make_dir(in("again"));
	MUST(mount(in("mnt/sub"), in("again"), NULL, MS_BIND, NULL));
	MUST(mount("none", in("again"), "tmpfs", 0, ""));
	MUST(chdir(in("again")));
	check("on a mount over another", AT_FDCWD, "none", in("again/none"));
	MUST(chdir(in("mnt/sub")));
	fd = open(".", O_RDONLY | O_CLOEXEC);
	MUST(umount2(in("mnt"), MNT_DETACH));
	check_problem("on a mount that was taken away", AT_FDCWD, "file", "not reachable", "sub/file");
	check_problem("the same by descriptor", fd, "file", "not reachable", "sub/file");
	MUST(umount2(in("again"), MNT_DETACH));
	MUST(umount2(in("again"), MNT_DETACH));
	MUST(umount2(in("bound"), MNT_DETACH));
}

static void escaped(void)
{
	make_dir(in("from"));
	make_dir(in("from/inner"));
	make_dir(in("from/inner/x"));
	make_dir(in("bound"));
	MUST(mount(in("from/inner"), in("bound"), NULL, MS_BIND, NULL));
	MUST(chdir(in("bound/x")));
	MUST(rename(in("from/inner/x"), in("from/x")));
	// What is known of it is the path on its file system.
	check_problem("moved out of its mount", AT_FDCWD, "file", "moved out of its mount", "");
	MUST(chdir("/"));
	MUST(umount2(in("bound"), MNT_DETACH));
}

static void overlay(void)
{
	char *options;

	make_dir(in("over"));
	make_dir(in("layers"));
	// Overlays do not lie on overlays.
	MUST(mount("none", in("layers"), "tmpfs", 0, ""));
	make_dir(in("layers/lower"));
	make_dir(in("layers/lower/sub"));
	make_dir(in("layers/upper"));
	make_dir(in("layers/work"));
	options = text("lowerdir=%s,upperdir=%s,workdir=%s", in("layers/lower"), in("layers/upper"), in("layers/work"));
	if (mount("none", in("over"), "overlay", 0, options)) {
		printf("skipped\toverlay: %s\n", strerror(errno));
	} else {
		MUST(chdir(in("over/sub")));
		check("on an overlay", AT_FDCWD, "file", in("over/sub/file"));
		MUST(umount2(in("over"), MNT_DETACH));
	}
	MUST(umount2(in("layers"), MNT_DETACH));
}

static void other_namespace(void)
{
	MUST(unshare(CLONE_NEWNS));
	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	MUST(chdir(in("a/b")));
	check("relative in another mount namespace", AT_FDCWD, "file", in("a/b/file"));
	check("absolute in another mount namespace", AT_FDCWD, "/etc/hostname", "/etc/hostname");
	make_dir(in("ns"));
	MUST(mount("none", in("ns"), "tmpfs", 0, ""));
	make_dir(in("ns/sub"));
	MUST(chdir(in("ns/sub")));
	check("on a mount of it", AT_FDCWD, "x", in("ns/sub/x"));
}

// A folder is in the path twice, by two mounts, the first time as the root of a jail.
static void loop(void)
{
	MUST(unshare(CLONE_NEWNS));
	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	make_dir(in("p"));
	make_dir(in("p/x"));
	make_dir(in("p/x/inner"));
	make_dir(in("p/x/inner/m"));
	make_dir(in("looped"));
	MUST(mount(in("p/x"), in("looped"), NULL, MS_BIND, NULL));
	MUST(mount(in("p"), in("looped/inner/m"), NULL, MS_BIND, NULL));
	MUST(chroot(in("looped/inner/m/x")));
	MUST(chdir("/inner"));
	check("in a loop of mounts", AT_FDCWD, "file", in("looped/inner/m/x/inner/file"));
	check("absolute there", AT_FDCWD, "/file", in("looped/inner/m/x/file"));
	check("up there", AT_FDCWD, "../../file", in("looped/inner/m/x/file"));
}

static void container(void)
{
	char *absolute;

	make_dir(in("root"));
	MUST(unshare(CLONE_NEWNS));
	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	absolute = unfaulted("/etc/file");
	MUST(mount("none", in("root"), "tmpfs", 0, ""));
	make_dir(in("root/etc"));
	make_file(in("root/etc/file"));
	MUST(chdir(in("root")));
	MUST(syscall(SYS_pivot_root, ".", "."));
	MUST(umount2(".", MNT_DETACH));
	MUST(chdir("/etc"));
	check("absolute in a container", AT_FDCWD, "/etc/file", "/etc/file");
	check("relative in a container", AT_FDCWD, "file", "/etc/file");
	check("up in a container", AT_FDCWD, "../../etc/file", "/etc/file");
	expect("unfaulted in a container", "", "/etc/file", "/etc/file");
	open_at(AT_FDCWD, absolute);
}

// What the two processes of a storm have done.
struct storm {
	atomic_long opens;
	atomic_long rounds;
};

// stay waits in every hundredth round until a file has been opened whole meanwhile, so that each
// place is seen, however quick the machine is and whoever has its CPUs.
static void stay(struct storm *storm)
{
	long opens = atomic_load(&storm->opens);

	while (atomic_load(&storm->rounds) % 100 == 0 && atomic_load(&storm->opens) < opens + 2)
		sched_yield();
}

static void rename_all(struct storm *storm)
{
	const char *const moves[][2] = {
		{"a0", "a1"}, {"a1", "a0"}, {"a0/b0", "a0/b1"}, {"a0/b1", "a0/b0"}, {"a0/b0", "z/b0"}, {"z/b0", "a0/b0"},
	};

	for (;; atomic_fetch_add(&storm->rounds, 1))
		for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++) {
			char *from = in(moves[i][0]), *to = in(moves[i][1]);

			MUST(rename(from, to));
			free(from);
			free(to);
			stay(storm);
		}
}

static void storm(long opens)
{
	const char *const folders[] = {"z", "a0", "a0/b0", "a0/b0/1", "a0/b0/1/2", "a0/b0/1/2/3", "a0/b0/1/2/3/4"};
	struct storm *storm = mmap(NULL, sizeof(*storm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (storm == MAP_FAILED)
		fail("mmap");
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		close(make_dir(in(folders[i])));
	MUST(chdir(in("a0/b0/1/2/3/4")));
	pid = fork();
	MUST(pid);
	if (!pid) {
		MUST(prctl(PR_SET_PDEATHSIG, SIGKILL));
		rename_all(storm);
	}
	MUST(prctl(PR_SET_NAME, COMM));
	while (atomic_load(&storm->opens) < opens || atomic_load(&storm->rounds) < 200) {
		syscall(SYS_openat, AT_FDCWD, "f", O_RDONLY | O_CLOEXEC);
		atomic_fetch_add(&storm->opens, 1);
	}
	MUST(prctl(PR_SET_NAME, "pather"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	printf("%ld\n", atomic_load(&storm->opens));
}

#define DEEP 4088 // bytes of a path: WALK_MAX
#define OVERFULL 240

// overfull_opens opens what has no path, but a name of its own, of each length, by a name of 4,095
// bytes that is not in memory.
static void overfull_opens(void)
{
	static const char last[] = "proc/self/fd/9";
	char name[4096], memory[OVERFULL + 1] = "";
	size_t start = sizeof(name) - sizeof(last);

	for (size_t i = 0; i < start; i++)
		name[i] = "./"[i % 2];
	name[start - 1] = '/';
	memcpy(name + start, last, sizeof(last));
	for (int len = 0; len < OVERFULL; len++) {
		int fd = memfd_create(memory, 0);

		MUST(fd);
		if (fd != 9) {
			MUST(dup2(fd, 9));
			close(fd);
		}
		open_at(AT_FDCWD, unfaulted(name));
		memory[len] = 'm';
	}
}

// overfull has a copy of this program do that in a folder so deep that is its root.
static void overfull(void)
{
	int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), copy;
	struct stat size;
	char name[256];

	MUST(program);
	MUST(fstat(program, &size));
	MUST(unshare(CLONE_NEWNS));
	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	MUST(chdir(dir));
	for (int left = DEEP - strlen(dir), len; left > 1; left -= len + 1) {
		len = left > 400 ? 200 : left > 256 ? 100 : left - 1;
		memset(name, 'd', len);
		name[len] = 0;
		MUST(mkdir(name, 0755));
		MUST(chdir(name));
	}
	copy = open("pather", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	MUST(copy);
	for (off_t at = 0; at < size.st_size;)
		MUST(sendfile(copy, program, &at, size.st_size));
	close(copy);
	MUST(mkdir("proc", 0755));
	MUST(mount("/proc", "proc", NULL, MS_BIND | MS_REC, NULL));
	MUST(chroot("."));
	execl("/pather", "pather", ".", "overfull-opens", NULL);
	fail("execl");
}

int main(int argc, char **argv)
{
	void (*cases[])(void) = {
		plain, real_files, odd_names, deleted, depths, too_deep, threads, unfaulted_names, jail,
		mounts, escaped, overlay, other_namespace, loop, container,
	};

	if (argc < 2)
		return 2;
	dir = realpath(argv[1], NULL);
	if (!dir)
		fail(argv[1]);
	if (argc > 2 && !strcmp(argv[2], "overfull-opens")) {
		overfull_opens();
		return 0;
	}
	if (argc > 2) {
		if (!strcmp(argv[2], "overfull"))
			apart(overfull);
		else
			storm(atol(argv[2]));
		open(END, O_RDONLY | O_CLOEXEC);
		return 0;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		apart(cases[i]);
	open(END, O_RDONLY | O_CLOEXEC);
	return 0;
}
