// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// Makes processes in all ways that there are, for the end-to-end tests:
//
//	tree N           N of them, of which the number I opens the file /tree-I
//	tree name NAME   opens NAME: what some of them execute
//	tree grow        20 times 20 processes that make each other, each of which waits for the end
//	                 of stdin and then opens /tree-I, with I from 0
//
// It ends when they all have.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *self;

static void fail(const char *what)
{
	fprintf(stderr, "tree: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void open_number(long i)
{
	char name[64];

	snprintf(name, sizeof(name), "/tree-%ld", i);
	syscall(SYS_openat, AT_FDCWD, name, O_RDONLY);
}

static char **arguments(long i)
{
	static char name[64];
	static char *args[4], how[] = "name";

	snprintf(name, sizeof(name), "/tree-%ld", i);
	args[0] = self;
	args[1] = how;
	args[2] = name;
	return args;
}

static void must(long pid)
{
	if (pid < 0)
		fail("making a process");
}

static void by_fork(long i)
{
	pid_t pid = fork();

	must(pid);
	if (!pid) {
		open_number(i);
		_exit(0);
	}
}

static void by_vfork(long i)
{
	char **args = arguments(i);
	pid_t pid = vfork();

	must(pid);
	if (!pid) {
		execv(self, args);
		_exit(1);
	}
}

static void by_spawn(long i)
{
	pid_t pid;

	if (posix_spawn(&pid, self, NULL, NULL, arguments(i), NULL))
		fail("posix_spawn");
}

// A child by the system call itself, without a stack of its own.
static void by_clone3(long i, uint64_t flags)
{
	struct clone_args args = {.flags = flags, .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	must(pid);
	if (!pid) {
		open_number(i);
		_exit(0);
	}
}

static void plain_clone3(long i)
{
	by_clone3(i, 0);
}

// Its parent is ours: made by a child, so that we can wait for it.
static void with_our_parent(long i)
{
	pid_t pid = fork();

	must(pid);
	if (!pid) {
		by_clone3(i, CLONE_PARENT);
		_exit(0);
	}
}

static int open_shared(void *i)
{
	open_number((intptr_t)i);
	_exit(0);
}

static void with_our_memory(long i)
{
	static char stack[65536] __attribute__((aligned(16)));
	int status;
	pid_t pid = clone(open_shared, stack + sizeof(stack), CLONE_VM | SIGCHLD, (void *)(intptr_t)i);

	must(pid);
	waitpid(pid, &status, 0); // the stack is the next one's
}

static void after_unshare(long i)
{
	pid_t pid = fork();

	must(pid);
	if (!pid) {
		if (unshare(CLONE_NEWPID))
			fail("unshare");
		by_fork(i);
		wait(NULL);
		_exit(0);
	}
}

static void *fork_in_thread(void *i)
{
	by_fork((intptr_t)i);
	return NULL;
}

static void by_thread(long i)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fork_in_thread, (void *)(intptr_t)i))
		fail("pthread_create");
	pthread_join(thread, NULL);
}

static void *exec_in_thread(void *i)
{
	execv(self, arguments((intptr_t)i));
	_exit(1);
}

// The thread that executes is not the first one of its process.
static void by_exec_of_a_thread(long i)
{
	pid_t pid = fork();

	must(pid);
	if (!pid) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, exec_in_thread, (void *)(intptr_t)i))
			fail("pthread_create");
		for (;;)
			pause();
	}
}

// A daemon: its parent ends at once.
static void by_double_fork(long i)
{
	pid_t pid = fork();

	must(pid);
	if (!pid) {
		setsid();
		by_fork(i);
		_exit(0);
	}
}

// The first thread ends before the one that opens.
static void *open_late(void *i)
{
	usleep(1000);
	open_number((intptr_t)i);
	_exit(0);
}

static void by_thread_that_is_left(long i)
{
	pid_t pid = fork();

	must(pid);
	if (!pid) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, open_late, (void *)(intptr_t)i))
			fail("pthread_create");
		pthread_exit(NULL);
	}
}

static void make(long count)
{
	void (*ways[])(long) = {
		by_fork, by_vfork, by_spawn, plain_clone3, with_our_parent, with_our_memory, after_unshare,
		by_thread, by_exec_of_a_thread, by_double_fork, by_thread_that_is_left,
	};

	// Daemons become our children.
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		fail("prctl");
	for (long i = 0; i < count; i++) {
		ways[i % (sizeof(ways) / sizeof(*ways))](i);
		if (i % 50 == 49)
			while (waitpid(-1, NULL, 0) > 0)
				;
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
}

// wait_and_open waits for the end of stdin.
static void wait_and_open(long i)
{
	char byte;

	while (read(0, &byte, 1) > 0)
		;
	open_number(i);
}

// grow makes leaves, and a process that does the same for the next level.
static void grow(long level)
{
	const long levels = 20, width = 20;

	for (long n = 0; n < width - 1; n++) {
		pid_t pid = fork();

		must(pid);
		if (!pid) {
			wait_and_open(level * width + n);
			_exit(0);
		}
		usleep(300);
	}
	if (level < levels - 1) {
		pid_t pid = fork();

		must(pid);
		if (!pid) {
			grow(level + 1);
			_exit(0);
		}
	}
	wait_and_open(level * width + width - 1);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc == 3 && !strcmp(argv[1], "name"))
		syscall(SYS_openat, AT_FDCWD, argv[2], O_RDONLY);
	else if (argc == 2 && !strcmp(argv[1], "grow"))
		grow(0);
	else if (argc == 2)
		make(atol(argv[1]));
	else
		return 2;
	return 0;
}
