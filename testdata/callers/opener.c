// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// Opens files in odd ways, for the end-to-end tests:
//
//	opener [-pid N] [-wait] HOW [ARGUMENT…]
//
// With -pid it does so in a child with that number, which nobody has. With -wait it first reads a
// byte of stdin. Its last open is always END, so that
// who watches it knows when all has been seen. It exits with 1 where the machine
// did not let it do what was asked; that an open fails is no failure.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// What older systems' headers lack.
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef IOSQE_CQE_SKIP_SUCCESS
#define IOSQE_CQE_SKIP_SUCCESS (1U << 6)
#endif

#define END "/end-of-opener"

static long page;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void try_open(const char *name)
{
	long fd = syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_NONBLOCK);

	if (fd >= 0)
		close(fd);
}

static void *map(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	void *p = mmap(at, size, protection, flags, fd, offset);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

#ifdef __x86_64__
#define LOW MAP_32BIT
#else
#define LOW 0 // no 64-bit program makes 32-bit calls
#endif

// in_dir returns DIR/NAME in memory below 4 GB, where 32-bit calls reach it.
static char *in_dir(const char *dir, const char *name)
{
	char *p = map(NULL, 2 * page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | LOW, -1, 0);

	snprintf(p, 2 * page, "%s/%s", dir, name);
	return p;
}

#ifdef __x86_64__
// int80 makes a system call through the 32-bit tables, from a 64-bit program.
static void int80(long nr, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d)
{
	long result;

	asm volatile("int $0x80"
		     : "=a"(result)
		     : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d)
		     : "memory", "r8", "r9", "r10", "r11");
	if (result == -ENOSYS) {
		errno = ENOSYS;
		fail("int80");
	}
	if (result >= 0)
		close(result);
}
#endif

static void doors(const char *dir)
{
	struct open_how how = { .flags = O_RDONLY };

	syscall(SYS_openat, AT_FDCWD, in_dir(dir, "openat"), O_RDONLY);
	syscall(SYS_openat2, AT_FDCWD, in_dir(dir, "openat2"), &how, sizeof(how));
#ifdef __x86_64__
	syscall(SYS_open, in_dir(dir, "open"), O_RDONLY);
	syscall(SYS_creat, in_dir(dir, "creat"), 0600);
	// Calls whose numbers mean an open in the other table must not show.
	char *name = in_dir(dir, "not-opened");
	syscall(5, (uintptr_t)name, name + page); // fstat
	syscall(8, (uintptr_t)name, 0, 0);        // lseek
	syscall(295, -1, name, 0, 0);             // preadv
#endif
}

#ifdef __x86_64__
// doors32 does the same by 32-bit calls. Where the kernel takes none, the first
// kills it.
static void doors32(const char *dir)
{
	struct open_how how = { .flags = O_RDONLY };

	int80(5, (uintptr_t)in_dir(dir, "int80-open"), O_RDONLY, 0, 0);
	int80(8, (uintptr_t)in_dir(dir, "int80-creat"), 0600, 0, 0);
	int80(295, AT_FDCWD, (uintptr_t)in_dir(dir, "int80-openat"), O_RDONLY, 0);
	struct open_how *low = (struct open_how *)in_dir("", "");
	*low = how;
	int80(437, AT_FDCWD, (uintptr_t)in_dir(dir, "int80-openat2"), (uintptr_t)low, sizeof(*low));
	// The kernel takes the lower halves of the registers.
	uintptr_t garbage = 0x5a5a5a5a00000000;
	int80(295, garbage | (uint32_t)AT_FDCWD, garbage | (uintptr_t)in_dir(dir, "int80-garbage"),
	      garbage | O_RDONLY, garbage);
	char *name = in_dir(dir, "not-opened");
	int80(85, (uintptr_t)name, (uintptr_t)name + page, 1, 0); // readlink
	int80(257, (uintptr_t)name, (uintptr_t)name, 0, 0);       // remap_file_pages
}
#endif

// names_fd returns a file of n pages, each with a name at its given offset.
static int names_fd(int n, const char *prefix)
{
	int fd = memfd_create("names", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, n * page))
		fail("memfd_create");
	for (int i = 0; i < n; i++) {
		char name[256];
		int size = snprintf(name, sizeof(name), "%s-%d", prefix, i) + 1;

		if (pwrite(fd, name, size, i * page) != size)
			fail("pwrite");
	}
	return fd;
}

// unfaulted opens n names out of pages that are mapped, but not in memory.
static void unfaulted(int n, const char *prefix)
{
	int fd = names_fd(n, prefix);

	for (int i = 0; i < n; i++) {
		char *p = map(NULL, page, PROT_READ, MAP_PRIVATE, fd, i * page);

		try_open(p);
		munmap(p, page);
	}
}

// edge opens a name that ends on the last byte before memory that is not there,
// and one that goes from a page in memory into one that is mapped but is not.
static void edge(const char *name)
{
	size_t size = strlen(name) + 1;
	char *p = map(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p + page, page);
	memcpy(p + page - size, name, size);
	try_open(p + page - size);

	int fd = memfd_create("edge", MFD_CLOEXEC);
	char *q = map(NULL, 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || ftruncate(fd, 2 * page) || pwrite(fd, name, size, page - 3) != (ssize_t)size)
		fail("memfd_create");
	map(q, page, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
	map(q + page, page, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, page);
	*(volatile char *)q;
	try_open(q + page - 3);
}

static void bad(void)
{
	try_open(NULL);
	try_open((char *)1);
	try_open((char *)0xffff888000001000);
	try_open(map(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

// length opens a name of that many bytes.
static void length(size_t size)
{
	char *name = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		name[i] = i % 2 ? '.' : '/';
	memcpy(name + size - 5, "/last", 5);
	name[size] = 0;
	try_open(name);
}

// Set for rings of io_uring whose requests a kernel thread submits.
static int polled;

// A ring of io_uring.
struct ring {
	int fd;
	unsigned *tail, *array, mask, sent;
	struct io_uring_sqe *sqes;
};

static struct ring new_ring(void)
{
	struct io_uring_params p = { .flags = polled ? IORING_SETUP_SQPOLL : 0 };
	struct ring r = { .fd = syscall(SYS_io_uring_setup, 4, &p) };

	if (r.fd < 0)
		fail("io_uring_setup");
	char *sq = map(NULL, p.sq_off.array + p.sq_entries * sizeof(unsigned),
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r.fd, IORING_OFF_SQ_RING);
	r.sqes = map(NULL, p.sq_entries * sizeof(*r.sqes), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, r.fd, IORING_OFF_SQES);
	r.tail = (unsigned *)(sq + p.sq_off.tail);
	r.array = (unsigned *)(sq + p.sq_off.array);
	r.mask = *(unsigned *)(sq + p.sq_off.ring_mask);
	return r;
}

// submit makes a request and waits for it; slot as in sqe.file_index.
static void submit(struct ring *r, int opcode, int flags, const char *name, unsigned slot)
{
	static struct open_how how = { .flags = O_RDONLY };
	struct io_uring_sqe *sqe = &r->sqes[*r->tail & r->mask];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	sqe->flags = flags;
	sqe->fd = AT_FDCWD;
	sqe->addr = (uintptr_t)name;
	sqe->splice_fd_in = slot; // a union with file_index, which older headers lack
	if (opcode == IORING_OP_OPENAT2) {
		sqe->len = sizeof(how);
		sqe->off = (uintptr_t)&how;
	}
	r->array[*r->tail & r->mask] = *r->tail & r->mask;
	__atomic_store_n(r->tail, *r->tail + 1, __ATOMIC_RELEASE);
	if (!(flags & IOSQE_CQE_SKIP_SUCCESS))
		r->sent++;
	if (syscall(SYS_io_uring_enter, r->fd, 1, r->sent,
		    IORING_ENTER_GETEVENTS | (polled ? IORING_ENTER_SQ_WAKEUP : 0), NULL, 0) != 1)
		fail("io_uring_enter");
}

// uring opens DIR/uring-N through io_uring: by openat, by openat2, and by openat
// with the order to put it off to a kernel worker.
static void uring(const char *dir)
{
	struct ring r = new_ring();

	for (int i = 0; i < 3; i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/uring-%d", dir, i);
		submit(&r, i == 1 ? IORING_OP_OPENAT2 : IORING_OP_OPENAT, i == 2 ? IOSQE_ASYNC : 0,
		       name, 0);
	}
}

// uring_results opens NAME through io_uring, so that it gets a descriptor, does so by a
// worker, gets place 2 of the ring's own table, and one that the kernel chooses; then a
// name that is not there, and NAME without a completion.
static void uring_results(const char *name)
{
	struct ring r = new_ring();
	int none[4] = { -1, -1, -1, -1 };
	char missing[4096];

	snprintf(missing, sizeof(missing), "%s-missing", name);
	if (syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES, none, 4))
		fail("io_uring_register");
	submit(&r, IORING_OP_OPENAT, 0, name, 0);
	submit(&r, IORING_OP_OPENAT, IOSQE_ASYNC, name, 0);
	submit(&r, IORING_OP_OPENAT2, 0, name, 3);
	submit(&r, IORING_OP_OPENAT, 0, name, ~0U);
	submit(&r, IORING_OP_OPENAT, 0, missing, 0);
	submit(&r, IORING_OP_OPENAT, IOSQE_CQE_SKIP_SUCCESS, name, 0);
}

static void ignore(int signal)
{
	(void)signal;
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// release opens a FIFO that our parent is blocked on, some ms after that is so. Half way there is a
// signal, after which the kernel begins the call anew.
static void release(const char *fifo, int ms, int interrupts)
{
	char path[64], text[256] = "";

	prctl(PR_SET_NAME, "writer");
	snprintf(path, sizeof(path), "/proc/%d/stat", getppid());
	while (!strstr(text, ") S")) {
		int fd = open(path, O_RDONLY);

		usleep(1000);
		if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
			fail(path);
		close(fd);
	}
	usleep(ms * 500);
	if (interrupts)
		kill(getppid(), SIGUSR1);
	usleep(ms * 500);
	_exit(open(fifo, O_WRONLY) < 0);
}

// timed opens FIFOs DIR/MS that block it for so many ms at least, by the call or through io_uring, and
// prints for each how many ns that took at most.
static void timed(const char *dir, int by_uring)
{
	static const int delays[] = { 5, 50, 150, 400 };
	struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	struct ring r = {};

	sigaction(SIGUSR1, &action, NULL);
	if (by_uring)
		r = new_ring();
	for (int i = 0; i < 4; i++) {
		char name[4096];
		long long began;

		snprintf(name, sizeof(name), "%s/%d", dir, delays[i]);
		if (mkfifo(name, 0600))
			fail(name);
		pid_t child = fork();

		if (child == 0)
			release(name, delays[i], !by_uring && i > 0);
		began = now();
		if (by_uring)
			submit(&r, IORING_OP_OPENAT, IOSQE_ASYNC, name, 0); // else it does not block
		else
			syscall(SYS_openat, AT_FDCWD, name, O_RDONLY);
		printf("%d %lld\n", delays[i], now() - began);
		waitpid(child, NULL, 0);
	}
	fflush(stdout);
}

// with_flags opens names with flags: FLAGS NAME FLAGS NAME…, and leaves them open.
static void with_flags(int n, char **args)
{
	for (int i = 0; i + 1 < n; i += 2)
		syscall(SYS_openat, AT_FDCWD, args[i + 1], (int)strtol(args[i], NULL, 0), 0640);
}

static const char *thread_dir;

static void *thread(void *number)
{
	char comm[16], name[4096];

	snprintf(comm, sizeof(comm), "thread %ld", (long)number);
	prctl(PR_SET_NAME, comm);
	snprintf(name, sizeof(name), "%s/thread-%ld", thread_dir, (long)number);
	try_open(name);
	return NULL;
}

static void threads(long n, const char *dir)
{
	pthread_t *t = calloc(n, sizeof(*t));

	thread_dir = dir;
	for (long i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, thread, (void *)i))
			fail("pthread_create");
	for (long i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

static void flood(long n, const char *name)
{
	for (long i = 0; i < n; i++)
		try_open(name);
}

// blocked starts n processes that block in the open of a FIFO, and holds them
// until stdin ends. With a prefix, their names come from pages not in memory.
static void blocked(int n, const char *fifo, int unfaulted)
{
	int fd = memfd_create("fifo", MFD_CLOEXEC);

	if (fd < 0 || write(fd, fifo, strlen(fifo) + 1) < 0 || ftruncate(fd, page))
		fail("memfd_create");
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			const char *name = fifo;

			if (unfaulted)
				name = map(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0);
			syscall(SYS_openat, AT_FDCWD, name, O_RDONLY);
			_exit(0);
		}
	}
	char c;

	while (read(0, &c, 1) > 0)
		;
	kill(0, SIGKILL); // the runner has put us into a group of our own
}

// forks makes processes all the time, and has the last FORKED of them open a file once stdin has a
// byte. It is to be what makes processes while probes attach.
#define FORKED 400

static void forks(const char *name)
{
	struct pollfd sign = { .fd = 0, .events = POLLIN };
	static pid_t made[FORKED];
	int start[2], n;
	char c;

	if (pipe(start))
		fail("pipe");
	for (n = 0; n < FORKED || poll(&sign, 1, 0) == 0; n++) {
		pid_t *place = &made[n % FORKED], pid = fork();

		if (pid < 0)
			fail("fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(start[1]);
			if (read(start[0], &c, 1) < 0)
				_exit(1);
			try_open(""); // whose name the kernel does not take
			try_open(name);
			_exit(0);
		}
		if (*place && (kill(*place, SIGKILL) || waitpid(*place, NULL, 0) < 0))
			fail("a child");
		*place = pid;
	}
	close(start[1]);
	for (n = 0; n < FORKED; n++)
		if (waitpid(made[n], NULL, 0) < 0)
			fail("waitpid");
}

// await_call waits until a thread of ours is blocked in a system call.
static void await_call(long tid, long nr)
{
	char path[64], text[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/syscall", tid);
	do {
		memset(text, 0, sizeof(text));
		usleep(1000);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			fail(path);
		if (read(fd, text, sizeof(text) - 1) < 0)
			fail(path);
		close(fd);
	} while (strtol(text, NULL, 10) != nr || !strncmp(text, "running", 7));
}

static char *blocking_name;
static volatile long blocking_tid;

static void *block(void *unused)
{
	blocking_tid = syscall(SYS_gettid);
	syscall(SYS_openat, AT_FDCWD, blocking_name, O_RDONLY);
	return unused;
}

// start_blocking starts a thread that opens a name, and returns once that blocks.
static pthread_t start_blocking(char *name)
{
	pthread_t thread;

	blocking_name = name;
	if (pthread_create(&thread, NULL, block, NULL))
		fail("pthread_create");
	while (!blocking_tid)
		usleep(1000);
	await_call(blocking_tid, SYS_openat);
	return thread;
}

// overwritten opens a FIFO, and has the name in its memory become another one, or none,
// while that blocks. If it is unfaulted, it was not in memory.
static void overwritten(const char *fifo, const char *other, int unfaulted)
{
	int fd = memfd_create("name", MFD_CLOEXEC);

	if (fd < 0 || write(fd, fifo, strlen(fifo) + 1) < 0 || ftruncate(fd, page))
		fail("memfd_create");
	char *name = map(NULL, page, PROT_READ, MAP_SHARED | (unfaulted ? 0 : MAP_POPULATE), fd, 0);
	pthread_t thread = start_blocking(name);

	if (*other) {
		if (pwrite(fd, other, strlen(other) + 1, 0) < 0)
			fail("pwrite");
	} else {
		munmap(name, page);
	}
	if (open(fifo, O_WRONLY) < 0)
		fail(fifo);
	pthread_join(thread, NULL);
}

static void handler(int signal)
{
	(void)signal;
	try_open("/in-the-handler");
}

// interrupted opens a FIFO, has a signal come after some seconds while that blocks, and
// then a writer, if the open is to be restarted. Its status is whether all went as that says.
static void interrupted(char *fifo, int seconds, int restart)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0 };
	struct itimerval timer = { .it_value.tv_sec = seconds };

	sigaction(SIGALRM, &action, NULL);
	pid_t writer = fork();

	if (writer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sleep(seconds + 1);
		_exit(restart && open(fifo, O_WRONLY) < 0);
	}
	setitimer(ITIMER_REAL, &timer, NULL);
	long fd = syscall(SYS_openat, AT_FDCWD, fifo, O_RDONLY);

	if (restart ? fd < 0 : fd >= 0 || errno != EINTR)
		fail("the open");
	if (fd >= 0)
		close(fd);
	waitpid(writer, NULL, 0);
}

// stuck opens a name in memory whose page never comes, until stdin ends.
static void stuck(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	char *name = map(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register region = { .range = { (uintptr_t)name, page },
					  .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	char c;

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &region))
		fail("userfaultfd");
	start_blocking(name);
	while (read(0, &c, 1) > 0)
		;
	kill(0, SIGKILL); // the runner has put us into a group of our own
}

// refused makes calls that the kernel refuses before it looks for a file: DIR/small,
// DIR/large, DIR/garbage and DIR/null by openat2.
static void refused(const char *dir)
{
	struct {
		struct open_how how;
		char more[8];
	} garbage = { .how.flags = O_RDONLY, .more[7] = 1 };

	syscall(SYS_openat2, AT_FDCWD, in_dir(dir, "small"), &garbage.how, 8);
	syscall(SYS_openat2, AT_FDCWD, in_dir(dir, "large"), &garbage.how, 2 * page);
	syscall(SYS_openat2, AT_FDCWD, in_dir(dir, "garbage"), &garbage, sizeof(garbage));
	syscall(SYS_openat2, AT_FDCWD, in_dir(dir, "null"), NULL, sizeof(garbage.how));
}

// by_handle opens a file by its handle, if its file system has such, and by one that is none.
static void by_handle(const char *name)
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} h = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount_id, mount = open(name, O_RDONLY);

	if (mount < 0)
		fail(name);
	if (!name_to_handle_at(AT_FDCWD, name, &h.handle, &mount_id, 0))
		open_by_handle_at(mount, &h.handle, O_RDONLY);
	h.handle.handle_bytes = 8;
	h.handle.handle_type = 254;
	open_by_handle_at(mount, &h.handle, O_RDONLY);
}

// execute executes a program, which opens a name.
static void *execute(void *program)
{
	execl(program, program, "names", "/executed", NULL);
	fail(program);
	return NULL;
}

// exec_unfaulted executes a program whose name is not in memory.
static void exec_unfaulted(const char *program)
{
	int fd = memfd_create("program", MFD_CLOEXEC);

	if (fd < 0 || write(fd, program, strlen(program) + 1) < 0)
		fail("memfd_create");
	execl(map(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0), program, "names", "/executed", NULL);
	fail(program);
}

// as_pid goes on in a child with that number, which is free, and ends as that does.
static void as_pid(pid_t pid)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
			set_tid_size;
	} args = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1 };
	pid_t child = syscall(SYS_clone3, &args, sizeof(args));
	int status;

	if (child < 0)
		fail("clone3");
	if (!child)
		return;
	if (waitpid(child, &status, 0) != child)
		fail("waitpid");
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int main(int argc, char **argv)
{
	char c;

	page = sysconf(_SC_PAGESIZE);
	if (argc > 2 && !strcmp(argv[1], "-pid")) {
		as_pid(atoi(argv[2]));
		argv += 2, argc -= 2;
	}
	if (argc > 1 && !strcmp(argv[1], "-wait")) {
		if (read(0, &c, 1) != 1)
			return 1;
		argv++, argc--;
	}
	const char *how = argc > 1 ? argv[1] : "";

	if (!strcmp(how, "doors") && argc == 3)
		doors(argv[2]);
#ifdef __x86_64__
	else if (!strcmp(how, "doors32") && argc == 3)
		doors32(argv[2]);
#endif
	else if (!strcmp(how, "unfaulted") && argc == 4)
		unfaulted(atoi(argv[2]), argv[3]);
	else if (!strcmp(how, "edge") && argc == 3)
		edge(argv[2]);
	else if (!strcmp(how, "bad") && argc == 2)
		bad();
	else if (!strcmp(how, "length") && argc == 3)
		length(atol(argv[2]));
	else if (!strcmp(how, "names"))
		for (int i = 2; i < argc; i++)
			try_open(argv[i]);
	else if (!strcmp(how, "flags"))
		with_flags(argc - 2, argv + 2);
	else if (!strcmp(how, "comm") && argc == 4) {
		prctl(PR_SET_NAME, argv[2]);
		try_open(argv[3]);
	} else if (!strcmp(how, "threads") && argc == 4)
		threads(atol(argv[2]), argv[3]);
	else if ((!strcmp(how, "uring") || (polled = !strcmp(how, "uring-polled"))) && argc == 3)
		uring(argv[2]);
	else if (!strcmp(how, "uring-results") && argc == 3)
		uring_results(argv[2]);
	else if (!strcmp(how, "timed") && argc == 3)
		timed(argv[2], 0);
	else if (!strcmp(how, "timed-uring") && argc == 3)
		timed(argv[2], 1);
	else if (!strcmp(how, "overwritten") && argc == 4)
		overwritten(argv[2], argv[3], 0);
	else if (!strcmp(how, "overwritten-unfaulted") && argc == 4)
		overwritten(argv[2], argv[3], 1);
	else if (!strcmp(how, "interrupted") && argc == 4)
		interrupted(argv[2], atoi(argv[3]), 0);
	else if (!strcmp(how, "restarted") && argc == 4)
		interrupted(argv[2], atoi(argv[3]), 1);
	else if (!strcmp(how, "stuck") && argc == 2)
		stuck();
	else if (!strcmp(how, "refused") && argc == 3)
		refused(argv[2]);
	else if (!strcmp(how, "by-handle") && argc == 3)
		by_handle(argv[2]);
	else if (!strcmp(how, "exec-thread") && argc == 3) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, execute, argv[2]))
			fail("pthread_create");
		pthread_join(thread, NULL);
	} else if (!strcmp(how, "exec-unfaulted") && argc == 3)
		exec_unfaulted(argv[2]);
	else if (!strcmp(how, "flood") && argc == 4)
		flood(atol(argv[2]), argv[3]);
	else if (!strcmp(how, "forks") && argc == 3)
		forks(argv[2]);
	else if (!strcmp(how, "blocked") && argc == 4)
		blocked(atoi(argv[2]), argv[3], 0);
	else if (!strcmp(how, "blocked-unfaulted") && argc == 4)
		blocked(atoi(argv[2]), argv[3], 1);
	else {
		fprintf(stderr, "opener: unknown: %s\n", how);
		return 1;
	}
	try_open(END);
	return 0;
}
