// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// The load of the benchmark: a process that does as the lines on stdin say, and
// answers each with a line "COUNT NANOSECONDS" of how often it did it in what time:
//
//	open MILLISECONDS FILE    opens and closes FILE for that long
//	call MILLISECONDS         calls getppid(2) for that long
//	opens COUNT FILE          the same so often; NANOSECONDS are the thread's CPU time
//	stats COUNT FILE          the same of looking for FILE by stat(2)
//	calls COUNT               the same
//	forks COUNT               makes so many processes, which end at once
//	chdir FOLDER              goes there
//	once FILE                 opens FILE a single time
//
// It ends with stdin. It opens nothing else once it has started.

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// A look at the clock follows that many calls.
#define BATCH 64

static long long by(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long now(void)
{
	return by(CLOCK_MONOTONIC);
}

static void try_open(const char *name)
{
	long fd = syscall(SYS_openat, AT_FDCWD, name, O_RDONLY);

	if (fd >= 0)
		close(fd);
}

int main(void)
{
	char line[8192], name[4096];
	int ms;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		long long start = now(), end = start, count = 0;

		if (sscanf(line, "open %d %4095s", &ms, name) == 2)
			while (end - start < ms * 1000000LL) {
				for (int i = 0; i < BATCH; i++)
					try_open(name);
				count += BATCH;
				end = now();
			}
		else if (sscanf(line, "call %d", &ms) == 1)
			while (end - start < ms * 1000000LL) {
				for (int i = 0; i < BATCH; i++)
					syscall(SYS_getppid);
				count += BATCH;
				end = now();
			}
		else if (sscanf(line, "opens %lld %4095s", &count, name) == 2) {
			start = by(CLOCK_THREAD_CPUTIME_ID);
			for (long long i = 0; i < count; i++)
				try_open(name);
			end = by(CLOCK_THREAD_CPUTIME_ID);
		} else if (sscanf(line, "stats %lld %4095s", &count, name) == 2) {
			struct stat st;

			start = by(CLOCK_THREAD_CPUTIME_ID);
			for (long long i = 0; i < count; i++)
				stat(name, &st);
			end = by(CLOCK_THREAD_CPUTIME_ID);
		} else if (sscanf(line, "calls %lld", &count) == 1) {
			start = by(CLOCK_THREAD_CPUTIME_ID);
			for (long long i = 0; i < count; i++)
				syscall(SYS_getppid);
			end = by(CLOCK_THREAD_CPUTIME_ID);
		} else if (sscanf(line, "forks %lld", &count) == 1) {
			// Of the parent alone; the children end meanwhile.
			long long took = 0;

			for (long long i = 0; i < count; i++) {
				start = by(CLOCK_THREAD_CPUTIME_ID);
				pid_t child = fork();
				if (!child)
					_exit(0);
				took += by(CLOCK_THREAD_CPUTIME_ID) - start;
				waitpid(child, NULL, 0);
			}
			start = 0;
			end = took;
		} else if (sscanf(line, "chdir %4095s", name) == 1) {
			if (chdir(name)) {
				perror(name);
				return 1;
			}
			count = 1;
		} else if (sscanf(line, "once %4095s", name) == 1) {
			try_open(name);
			count = 1;
			end = now();
		} else {
			fprintf(stderr, "load: unknown: %s", line);
			return 1;
		}
		printf("%lld %lld\n", count, end - start);
	}
	return 0;
}
