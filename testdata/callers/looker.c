// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// Looks for files by each call that can, and opens none, for the end-to-end tests:
//
//	looker DIR doors    by each call of its own table, DIR/there, DIR/link and DIR/none
//	looker DIR doors32  by each call of 32-bit programs, DIR/none
//	looker DIR x32      by each call of x32 programs, DIR/none; exits with 2 if the kernel has none
//	looker DIR nameless by descriptors alone, which no name goes with
//	looker DIR late     by names that are not in memory: DIR/late, and an empty one
//	looker DIR uring    by statx through io_uring, as doors and nameless
//	looker DIR flood N  by stat, N times DIR/none
//
// It writes a line "OP ERROR NAME" for each look-up, with the number of the error, as it has seen it.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "must.h"

#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif

static const char *dir;
static char buffer[4096]; // where results go; below 4 GB, as the names are
static char there[256], link_there[256], none[256], empty[1];

static void say(const char *op, long result, const char *name)
{
	printf("%s %d %s\n", op, result < 0 ? errno : 0, name);
}

#define LOOK(op, name, call, ...) say(op, syscall(call, __VA_ARGS__), name)

static void doors(void)
{
	const char *names[] = { there, link_there, none };

	for (int i = 0; i < 3; i++) {
		const char *name = names[i];

#ifdef SYS_stat
		LOOK("stat", name, SYS_stat, name, buffer);
		LOOK("stat", name, SYS_lstat, name, buffer);
		LOOK("access", name, SYS_access, name, R_OK);
		LOOK("readlink", name, SYS_readlink, name, buffer, 64);
#endif
		LOOK("stat", name, SYS_newfstatat, AT_FDCWD, name, buffer, 0);
		LOOK("stat", name, SYS_newfstatat, AT_FDCWD, name, buffer, AT_EMPTY_PATH);
		LOOK("stat", name, SYS_statx, AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, STATX_ALL, buffer);
		LOOK("access", name, SYS_faccessat, AT_FDCWD, name, R_OK);
		LOOK("access", name, SYS_faccessat2, AT_FDCWD, name, F_OK, AT_EACCESS);
		LOOK("readlink", name, SYS_readlinkat, AT_FDCWD, name, buffer, 64);
	}
	// The kernel refuses an empty name, and one that it cannot read.
	LOOK("stat", "\"\"", SYS_newfstatat, AT_FDCWD, empty, buffer, 0);
	LOOK("readlink", "\"\"", SYS_readlinkat, AT_FDCWD, empty, buffer, 64);
	LOOK("stat", "\\(bad address 0x1)", SYS_newfstatat, AT_FDCWD, 1L, buffer, 0);
	// By its descriptor, a folder that a relative name is in.
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		fail(dir);
	LOOK("stat", "there", SYS_newfstatat, fd, "there", buffer, 0);
	LOOK("readlink", "link", SYS_readlinkat, fd, "link", buffer, 64);
	close(fd);
}

// nameless asks of descriptors.
static void nameless(void)
{
	int fd = open(there, O_PATH), link_fd = open(link_there, O_PATH | O_NOFOLLOW);

	if (fd < 0 || link_fd < 0)
		fail(there);
	syscall(SYS_fstat, fd, buffer);
	syscall(SYS_newfstatat, fd, empty, buffer, AT_EMPTY_PATH);
	syscall(SYS_newfstatat, fd, NULL, buffer, AT_EMPTY_PATH);
	syscall(SYS_newfstatat, AT_FDCWD, empty, buffer, AT_EMPTY_PATH);
	syscall(SYS_statx, fd, empty, AT_EMPTY_PATH, STATX_ALL, buffer);
	syscall(SYS_statx, fd, NULL, AT_EMPTY_PATH, STATX_ALL, buffer);
	syscall(SYS_faccessat2, fd, empty, F_OK, AT_EMPTY_PATH);
	syscall(SYS_readlinkat, link_fd, empty, buffer, 64);
#ifdef __x86_64__
	syscall(18, -1, buffer, 0, 0); // pwrite64: oldstat of i386
	syscall(33, -1, -1);           // dup2: access of i386
#endif
}

// in_file returns a text in memory that no page is in yet.
static char *in_file(const char *text)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/text-%zu", dir, strlen(text));
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, strlen(text) + 1) < 0)
		fail(path);
	char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static void late(void)
{
	static char name[300];

	snprintf(name, sizeof(name), "%s/late", dir);
	LOOK("stat", name, SYS_newfstatat, AT_FDCWD, in_file(name), buffer, 0);
	syscall(SYS_newfstatat, AT_FDCWD, in_file(""), buffer, AT_EMPTY_PATH);
}

#ifdef __x86_64__
static void int80(const char *op, long nr, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e)
{
	long result;

	asm volatile("int $0x80"
		     : "=a"(result)
		     : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
		     : "memory", "r8", "r9", "r10", "r11");
	errno = -result;
	say(op, result, none);
}

static void doors32(void)
{
	uintptr_t name = (uintptr_t)none, to = (uintptr_t)buffer, cwd = (uint32_t)AT_FDCWD;

	int80("stat", 18, name, to, 0, 0, 0);  // oldstat
	int80("stat", 84, name, to, 0, 0, 0);  // oldlstat
	int80("stat", 106, name, to, 0, 0, 0); // stat
	int80("stat", 107, name, to, 0, 0, 0); // lstat
	int80("stat", 195, name, to, 0, 0, 0); // stat64
	int80("stat", 196, name, to, 0, 0, 0); // lstat64
	int80("access", 33, name, 0, 0, 0, 0);
	int80("readlink", 85, name, to, 64, 0, 0);
	int80("stat", 300, cwd, name, to, 0, 0); // fstatat64
	int80("readlink", 305, cwd, name, to, 64, 0);
	int80("access", 307, cwd, name, 0, 0, 0);
	int80("stat", 383, cwd, name, 0, STATX_ALL, to); // statx
	int80("access", 439, cwd, name, 0, 0, 0);        // faccessat2
	// By descriptors alone.
	asm volatile("int $0x80" : : "a"(300), "b"(1), "c"(empty), "d"(to), "S"(AT_EMPTY_PATH)
		     : "memory", "r8", "r9", "r10", "r11");
}

#define X32 0x40000000

static void x32(void)
{
	if (syscall(X32 | SYS_getpid) < 0)
		exit(2);
	LOOK("stat", none, X32 | SYS_stat, none, buffer);
	LOOK("stat", none, X32 | SYS_lstat, none, buffer);
	LOOK("access", none, X32 | SYS_access, none, R_OK);
	LOOK("readlink", none, X32 | SYS_readlink, none, buffer, 64);
	LOOK("stat", none, X32 | SYS_newfstatat, AT_FDCWD, none, buffer, 0);
	LOOK("stat", none, X32 | SYS_statx, AT_FDCWD, none, 0, STATX_ALL, buffer);
	LOOK("access", none, X32 | SYS_faccessat, AT_FDCWD, none, R_OK);
	LOOK("access", none, X32 | SYS_faccessat2, AT_FDCWD, none, R_OK, 0);
	LOOK("readlink", none, X32 | SYS_readlinkat, AT_FDCWD, none, buffer, 64);
}
#endif

// uring makes requests of io_uring, one after the other.
static void uring(void)
{
	struct io_uring_params p = {};
	int ring = syscall(SYS_io_uring_setup, 4, &p), fd = open(there, O_PATH);
	struct {
		int fd, flags;
		unsigned statx_flags;
		const char *name;
	} requests[] = {
		{ AT_FDCWD, 0, 0, there },
		{ AT_FDCWD, 0, AT_EMPTY_PATH, none },
		{ AT_FDCWD, IOSQE_ASYNC, 0, there },
		{ fd, 0, AT_EMPTY_PATH, empty },
	};

	if (ring < 0 || fd < 0)
		fail("io_uring_setup");
	char *sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(unsigned), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	char *cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_CQ_RING);
	struct io_uring_sqe *sqes = mmap(NULL, p.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);

	if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED)
		fail("mmap");
	for (int i = 0; i < 4; i++) {
		struct io_uring_sqe *sqe = &sqes[i];
		struct io_uring_cqe *cqe = (struct io_uring_cqe *)(cq + p.cq_off.cqes) + i;

		memset(sqe, 0, sizeof(*sqe));
		sqe->opcode = IORING_OP_STATX;
		sqe->fd = requests[i].fd;
		sqe->flags = requests[i].flags;
		sqe->addr = (uintptr_t)requests[i].name;
		sqe->statx_flags = requests[i].statx_flags;
		sqe->len = STATX_ALL;
		sqe->off = (uintptr_t)buffer;
		((unsigned *)(sq + p.sq_off.array))[i] = i;
		__atomic_store_n((unsigned *)(sq + p.sq_off.tail), i + 1, __ATOMIC_RELEASE);
		if (syscall(SYS_io_uring_enter, ring, 1, i + 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
			fail("io_uring_enter");
		errno = -cqe->res;
		if (requests[i].name != empty)
			say("stat", cqe->res, requests[i].name);
	}
}

static void flood(long n)
{
	for (long i = 0; i < n; i++)
		syscall(SYS_newfstatat, AT_FDCWD, none, buffer, 0);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 1;
	dir = argv[1];
	snprintf(there, sizeof(there), "%s/there", dir);
	snprintf(link_there, sizeof(link_there), "%s/link", dir);
	snprintf(none, sizeof(none), "%s/none", dir);
	if (!strcmp(argv[2], "doors"))
		doors();
	else if (!strcmp(argv[2], "nameless"))
		nameless();
	else if (!strcmp(argv[2], "late"))
		late();
	else if (!strcmp(argv[2], "uring"))
		uring();
	else if (!strcmp(argv[2], "flood") && argc == 4)
		flood(atol(argv[3]));
#ifdef __x86_64__
	else if (!strcmp(argv[2], "doors32"))
		doors32();
	else if (!strcmp(argv[2], "x32"))
		x32();
#endif
	else
		return 1;
	return 0;
}
