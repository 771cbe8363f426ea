// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// Opens files in ways that are to end, fill or fool who watches it, as an ordinary user
// where that works, for make test-hostile:
//
//	hostile COMM KIND SEED SECONDS DIR [PLACE]
//
// For so long it does what SEED decides, in the folder DIR, which is its own. Its opens
// have the comm COMM. What a name is tells what else is true of its row
// (internal/e2e/oracle_test.go). At its end it prints how many opens it has made. PLACE
// is what some kinds need besides.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "must.h"

enum { PAGE = 4096 };

static const char *comm, *dir, *place;
static unsigned seed;
static time_t end;

// The opens of all processes and threads.
static atomic_long *opens;

static long chance(long n)
{
	return rand_r(&seed) % n;
}

// more reports whether there is time left.
static int more(void)
{
	return time(NULL) < end;
}

// rest waits now and then, so that others are heard, too.
static void rest(void)
{
	if (!chance(50))
		usleep(chance(30000));
}

// try_open makes an open that counts.
static void try_open(int at, const char *name, int flags)
{
	long fd;

	atomic_fetch_add(opens, 1);
	fd = syscall(SYS_openat, at, name, flags | O_CLOEXEC | O_NONBLOCK, 0600);
	if (fd >= 0)
		close(fd);
}

__attribute__((format(printf, 1, 2))) static char *text(const char *format, ...)
{
	va_list args;
	char *made;

	va_start(args, format);
	MUST(vasprintf(&made, format, args));
	va_end(args);
	return made;
}

static void *map(int fd, int protection, int flags)
{
	void *p = mmap(NULL, 2 * PAGE, protection, flags, fd, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

// absent returns a name in memory that is not there yet. It is to be unmapped.
static char *absent(const char *name)
{
	int fd = memfd_create("absent", MFD_CLOEXEC);
	char *p;

	MUST(fd);
	MUST(ftruncate(fd, 2 * PAGE));
	MUST(pwrite(fd, name, strlen(name) + 1, 0));
	p = map(fd, PROT_READ, MAP_SHARED);
	close(fd);
	return p;
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		fail(path);
	close(fd);
}

static void make_dir(const char *path)
{
	if (mkdir(path, 0700) && errno != EEXIST)
		fail(path);
}

static void put(const char *file, const char *what)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, what, strlen(what)) < 0)
		fail(file);
	close(fd);
}

// become gives the thread the comm by which its opens count.
static void become(void)
{
	MUST(prctl(PR_SET_NAME, comm));
}

// alone goes on in namespaces of its own, where an ordinary user may mount.
static void alone(void)
{
	int uid = getuid(), gid = getgid();

	MUST(unshare(CLONE_NEWUSER | CLONE_NEWNS));
	put("/proc/self/setgroups", "deny");
	put("/proc/self/uid_map", text("0 %d 1", uid));
	put("/proc/self/gid_map", text("0 %d 1", gid));
	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

// descend makes folders, one in another, of as many bytes, and enters them.
static void descend(long bytes)
{
	while (bytes > 1) {
		char name[256];
		long length = 1 + chance(250);

		if (length > bytes - 1)
			length = bytes - 1;
		memset(name, 'd', length);
		name[length] = 0;
		make_dir(name);
		MUST(chdir(name));
		bytes -= length + 1;
	}
}

// full opens from where root, working folder, program and name fill a record.
static void full(void)
{
	char self[PAGE], block[65536];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int from, to;

	MUST(n);
	self[n] = 0;
	MUST(from = open(self, O_RDONLY | O_CLOEXEC));
	alone();
	MUST(chdir(dir));
	descend(chance(2) ? 3900 - chance(1000) : 4088 - (long)strlen(dir));
	MUST(to = open("x", O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0700));
	while ((n = read(from, block, sizeof(block))) > 0)
		MUST(write(to, block, n));
	close(to);
	make_dir("proc");
	MUST(mount("/proc", "proc", NULL, MS_BIND | MS_REC, NULL));
	MUST(chroot("."));
	execl("/x", "x", comm, "filled", text("%u", seed), text("%ld", (long)(end - time(NULL))), "/", NULL);
	fail("exec");
}

// filled is what full executes there.
static void filled(void)
{
	while (more()) {
		char memory[250], name[PAGE];
		long size = 20 + chance(PAGE - 20), at = 0;
		char *tail = chance(2) ? text("proc/self/fd/9") : text("absent-%ld", size);
		int fd;

		memset(memory, 'm', sizeof(memory));
		memory[chance(sizeof(memory) - 1)] = 0;
		memory[sizeof(memory) - 1] = 0;
		MUST(fd = memfd_create(memory, 0));
		if (fd != 9) {
			MUST(dup2(fd, 9));
			close(fd);
		}
		while (at + 2 + (long)strlen(tail) <= size)
			name[at++] = '.', name[at++] = '/';
		if (at + (long)strlen(tail) < size)
			name[at++] = '/';
		strcpy(name + at, tail);
		int late = chance(4); // a copy may begin a page, too
		char *p = late ? absent(name) : strdup(name);

		become();
		try_open(AT_FDCWD, p, O_RDONLY);
		MUST(prctl(PR_SET_NAME, "hostile"));
		free(tail);
		if (late)
			munmap(p, 2 * PAGE);
		else
			free(p);
		close(9);
		usleep(chance(2000));
	}
}

// A file system whose files have names of files as their content, which it gives out late, and of
// some not while their reader lives.
static void reply(int fd, uint64_t id, int error, const void *data, size_t size)
{
	struct fuse_out_header head = {.len = sizeof(head) + size, .error = error, .unique = id};
	char block[sizeof(head) + 2 * PAGE];

	memcpy(block, &head, sizeof(head));
	if (size)
		memcpy(block + sizeof(head), data, size);
	if (write(fd, block, head.len) < 0 && errno != ENOENT)
		fail("fuse");
}

static struct fuse_attr attributes(uint64_t inode)
{
	return (struct fuse_attr){
		.ino = inode, .size = PAGE, .blocks = 8, .nlink = 1, .blksize = PAGE,
		.mode = inode == 1 ? S_IFDIR | 0755 : S_IFREG | 0644,
	};
}

static void answer(int fd, struct fuse_in_header *in)
{
	struct fuse_init_out init = {.major = 7, .minor = 31, .max_write = PAGE};
	struct fuse_entry_out entry = {.attr_valid = 1000, .entry_valid = 1000};
	struct fuse_attr_out attr = {.attr_valid = 1000, .attr = attributes(in->nodeid)};
	struct fuse_open_out open = {.fh = 1};
	char content[PAGE] = "";

	switch (in->opcode) {
	case FUSE_INIT:
		reply(fd, in->unique, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP: // of the number that the file is called by
		entry.nodeid = strtol((char *)(in + 1), NULL, 10);
		entry.attr = attributes(entry.nodeid);
		reply(fd, in->unique, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		reply(fd, in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		reply(fd, in->unique, 0, &open, sizeof(open));
		break;
	case FUSE_READ:
		if (in->nodeid % 3 == 0)
			break; // not before who waits is killed
		if (in->nodeid % 3 == 1)
			usleep(1000 + chance(20000));
		snprintf(content, sizeof(content), "/hostile/fuse-%ld", (long)in->nodeid);
		reply(fd, in->unique, 0, content, sizeof(content));
		break;
	case FUSE_INTERRUPT:
		reply(fd, ((struct fuse_interrupt_in *)(in + 1))->unique, -EINTR, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		break;
	default:
		reply(fd, in->unique, -ENOSYS, NULL, 0);
	}
}

static void serve(int fd)
{
	static _Alignas(8) char block[1 << 17];

	for (;;) {
		ssize_t n = read(fd, block, sizeof(block));

		if (n < 0 && errno != EINTR && errno != ENOENT)
			exit(0); // it was unmounted
		if (n > 0)
			answer(fd, (struct fuse_in_header *)block);
	}
}

// fuse opens names that such a file system has; PLACE is a node of /dev/fuse.
static void fuse(void)
{
	long last = 1;
	pid_t server;
	int fd;

	alone();
	MUST(fd = open(place, O_RDWR | O_CLOEXEC));
	MUST(mount("names", dir, "fuse", 0, text("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)));
	MUST(server = fork());
	if (!server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(fd);
	}
	close(fd);
	while (more()) {
		long number = ++last;
		int file = open(text("%s/%ld", dir, number), O_RDONLY | O_CLOEXEC);
		pid_t caller;

		MUST(file);
		MUST(caller = fork());
		if (!caller) {
			char *name = map(file, PROT_READ, MAP_PRIVATE);

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			become();
			try_open(AT_FDCWD, name, O_RDONLY);
			_exit(0);
		}
		close(file);
		if (number % 3 == 0) {
			usleep(chance(150000));
			kill(caller, SIGKILL);
		}
		waitpid(caller, NULL, 0);
	}
	kill(server, SIGKILL);
}

// What a second thread changes while the first opens.
static atomic_int over;
static int folders[2];
static char *changing;
static size_t changing_at;

static void *change_cwd(void *unused)
{
	for (long i = 0; !over; i++)
		MUST(fchdir(folders[i % 2]));
	return unused;
}

static void *change_descriptor(void *unused)
{
	for (long i = 0; !over; i++)
		MUST(dup2(folders[i % 2], 100));
	return unused;
}

static void *change_name(void *unused)
{
	for (long i = 0; !over; i++)
		((volatile char *)changing)[changing_at] = "AB"[i % 2];
	return unused;
}

// race opens a file while a thread of its changes what the name means: A/f or B/f.
static void race(void *(*change)(void *), int at, const char *name)
{
	pthread_t thread;

	for (int i = 0; i < 2; i++) {
		char *folder = text("%s/%c", dir, "AB"[i]);

		make_dir(folder);
		make_file(text("%s/f", folder));
		MUST(folders[i] = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	}
	MUST(dup2(folders[0], 100));
	MUST(fchdir(folders[0]));
	if (pthread_create(&thread, NULL, change, NULL))
		fail("pthread_create");
	become();
	while (more()) {
		try_open(at, name, O_RDONLY);
		rest();
	}
	over = 1;
	pthread_join(thread, NULL);
}

static void cwd(void)
{
	race(change_cwd, AT_FDCWD, "f");
}

static void descriptor(void)
{
	race(change_descriptor, 100, "f");
}

static void name(void)
{
	changing = text("%s/A/f", dir);
	changing_at = strlen(dir) + 1;
	race(change_name, AT_FDCWD, changing);
}

// moves opens by a relative name while another process renames a folder above.
static void moves(void)
{
	char *a = text("%s/a", dir), *b = text("%s/b", dir);
	pid_t mover;

	make_dir(a);
	make_dir(text("%s/in", a));
	MUST(chdir(text("%s/in", a)));
	MUST(mover = fork());
	if (!mover) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			MUST(rename(a, b));
			MUST(rename(b, a));
		}
	}
	become();
	while (more()) {
		try_open(AT_FDCWD, "absent", O_RDONLY);
		rest();
	}
	kill(mover, SIGKILL);
	waitpid(mover, NULL, 0);
}

// deep opens what is not there, by names that are not in memory, from far below.
static void deep(void)
{
	char here[2 * PAGE];

	MUST(chdir(dir));
	descend(300 + chance(2500));
	if (!getcwd(here, sizeof(here)))
		fail("getcwd");
	become();
	while (more()) {
		char *missing = text("absent-%zu", strlen(here)), *p = absent(missing);

		try_open(AT_FDCWD, p, O_RDONLY);
		munmap(p, 2 * PAGE);
		free(missing);
		rest();
	}
}

// blocked opens a FIFO that nobody writes, in some processes, and kills them.
static void blocked(void)
{
	char *fifo = text("%s/fifo", dir);
	pid_t callers[20];

	MUST(mkfifo(fifo, 0600));
	while (more()) {
		int n = 1 + chance(20);

		for (int j = 0; j < n; j++) {
			char *p = chance(2) ? absent(fifo) : fifo;

			MUST(callers[j] = fork());
			if (!callers[j]) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				become();
				atomic_fetch_add(opens, 1);
				syscall(SYS_openat, AT_FDCWD, p, O_RDONLY);
				_exit(0);
			}
			if (p != fifo)
				munmap(p, 2 * PAGE);
		}
		usleep(chance(200000));
		if (chance(2))
			close(open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
		for (int j = 0; j < n; j++) {
			kill(callers[j], SIGKILL);
			waitpid(callers[j], NULL, 0);
		}
	}
}

static void *execute(void *unused)
{
	execl("/proc/self/exe", "hostile", comm, "one", "1", "1", "/", NULL);
	fail("exec");
	return unused;
}

// brief has processes that live for an open, some after a thread of theirs has executed a program.
static void brief(void)
{
	while (more()) {
		pid_t pid;

		atomic_fetch_add(opens, 1); // whoever makes it
		MUST(pid = fork());
		if (!pid) {
			pthread_t thread;

			if (chance(2)) {
				if (pthread_create(&thread, NULL, execute, NULL))
					fail("pthread_create");
				pthread_join(thread, NULL);
			}
			become();
			syscall(SYS_openat, AT_FDCWD, "/hostile/brief", O_RDONLY);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
}

static void one(void)
{
	become();
	try_open(AT_FDCWD, "/hostile/brief", O_RDONLY);
	exit(0); // brief has counted it
}

// odd opens names of any bytes, in memory, partly or not, and none.
static void odd(void)
{
	become();
	while (more()) {
		char bytes[PAGE] = "/hostile/odd-";
		long size = 13 + chance(PAGE - 13);

		for (long j = 13; j < size; j++)
			bytes[j] = 1 + chance(255);
		bytes[size] = 0;
		switch (chance(4)) {
		case 0:
			try_open(AT_FDCWD, (char *)(uintptr_t)chance(PAGE), O_RDONLY);
			break;
		case 1: {
			char *p = absent(bytes);

			try_open(AT_FDCWD, p, O_RDONLY);
			munmap(p, 2 * PAGE);
			break;
		}
		default:
			try_open(chance(2) ? AT_FDCWD : (int)chance(1000), bytes, chance(2) ? O_RDONLY : O_WRONLY);
		}
		rest();
	}
}

// flood opens as fast as it goes, by bursts.
static void flood(void)
{
	become();
	while (more()) {
		for (long n = chance(5000); n > 0; n--)
			try_open(AT_FDCWD, "/dev/null", O_RDONLY);
		usleep(chance(1000000));
	}
}

// enter moves the process into a cgroup.
static void enter(const char *cgroup)
{
	char *file = text("%s/cgroup.procs", cgroup);

	put(file, "0");
	free(file);
}

// hop goes from one container's cgroup to another's, which come and go; PLACE is where they are
// mounted. It takes root.
static void hop(void)
{
	while (more()) {
		long number = chance(1000);
		char *cgroup = text("%s/lxc.payload.%s-%ld", place, comm, number), *file = text("/hostile/hop-%ld", number);

		make_dir(cgroup);
		enter(cgroup);
		become();
		try_open(AT_FDCWD, file, O_RDONLY);
		MUST(prctl(PR_SET_NAME, "hostile"));
		enter(place);
		rmdir(cgroup);
		free(cgroup);
		free(file);
	}
}

// write_bomb makes the file that podman of this user is to have its containers' names in.
static void write_bomb(const char *file, const char *id, long number)
{
	static const char *const parts[] = {"{},", "[", "{\"names\":[\"x\"]},", "\"name", "0123456789"};
	const char *part = parts[chance(sizeof(parts) / sizeof(*parts))];
	FILE *f;

	unlink(file);
	switch (chance(6)) {
	case 0:
		MUST(symlink("/dev/zero", file));
		return;
	case 1:
		MUST(mkfifo(file, 0600));
		return;
	case 2:
	case 3:
		f = fopen(file, "w");
		fprintf(f, "[{\"id\":\"%s\",\"names\":[\"bomb-%ld\"]}]", id, number);
		fclose(f);
		return;
	default:
		f = fopen(file, "w");
		fprintf(f, "[{\"id\":\"%s\",\"names\":[\"", id);
		for (long n = chance(30 << 20); n > 0; n -= strlen(part))
			fputs(part, f);
		fclose(f);
	}
}

// bomb is a user whose files of podman's are all that such files may be. DIR is the user's home,
// PLACE the user's cgroup.
static void bomb(void)
{
	static const char *const below[] = {".local", ".local/share", ".local/share/containers", ".local/share/containers/storage",
					    ".local/share/containers/storage/overlay-containers"};

	for (size_t i = 0; i < sizeof(below) / sizeof(*below); i++)
		make_dir(text("%s/%s", dir, below[i]));
	while (more()) {
		long number = chance(1 << 30);
		char *id = text("%064lx", number), *cgroup = text("%s/libpod-%s.scope", place, id), *file = text("/hostile/bomb-%ld", number);

		write_bomb(text("%s/%s/containers.json", dir, below[4]), id, number);
		make_dir(cgroup);
		enter(cgroup);
		become();
		for (int n = 0; n < 10; n++) {
			try_open(AT_FDCWD, file, O_RDONLY);
			usleep(chance(20000));
		}
		MUST(prctl(PR_SET_NAME, "hostile"));
		enter(place);
		rmdir(cgroup);
		free(id);
		free(cgroup);
		free(file);
	}
}

int main(int argc, char **argv)
{
	const struct {
		const char *kind;
		void (*run)(void);
	} kinds[] = {
		{"full", full}, {"filled", filled}, {"fuse", fuse}, {"cwd", cwd}, {"descriptor", descriptor},
		{"name", name}, {"moves", moves}, {"deep", deep}, {"blocked", blocked}, {"brief", brief},
		{"one", one}, {"odd", odd}, {"flood", flood}, {"hop", hop}, {"bomb", bomb},
	};

	if (argc < 6)
		return 2;
	comm = argv[1];
	seed = strtoul(argv[3], NULL, 10);
	end = time(NULL) + atol(argv[4]);
	dir = argv[5];
	place = argc > 6 ? argv[6] : "";
	signal(SIGPIPE, SIG_IGN);
	opens = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (opens == MAP_FAILED)
		fail("mmap");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(argv[2], kinds[i].kind)) {
			kinds[i].run();
			printf("%ld\n", atomic_load(opens));
			return 0;
		}
	return 2;
}
