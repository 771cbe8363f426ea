// SPDX-License-Identifier: Apache-2.0

// What is told of limits before Go's runtime starts: it ends with an account of itself where it
// finds too little, and no word of the limit.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// say tells what is wrong and ends. stdio would need more stack than there may be.
static __attribute__((noreturn, format(printf, 1, 2))) void say(const char *format, ...)
{
	char text[256];
	va_list values;
	int n;

	va_start(values, format);
	n = vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	syscall(SYS_write, STDERR_FILENO, text, n);
	_exit(1);
}

static void need(int resource, unsigned long bytes, const char *what, char flag)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) || limit.rlim_cur == RLIM_INFINITY ||
	    limit.rlim_cur >= bytes)
		return;
	say("opensnoop: the limit of %s is %lu KiB, and %lu are needed, most of it never used; "
	    "raise it (ulimit -%c)\n",
	    what, (unsigned long)limit.rlim_cur >> 10, bytes >> 10, flag);
}

static __attribute__((constructor)) void check_limits(void)
{
	struct rlimit data, files;

	// The runtime takes some files, and as many as it may have at most. How many tracing needs,
	// limit.go says.
	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_max < 16)
		say("opensnoop: the limit of open files is %lu; raise it (ulimit -n)\n",
		    (unsigned long)files.rlim_max);
	need(RLIMIT_AS, 2UL << 30, "address space", 'v');
	need(RLIMIT_STACK, 1UL << 20, "stack", 's');
	// The stacks of two threads for each CPU are in it.
	if (!getrlimit(RLIMIT_DATA, &data) && data.rlim_cur != RLIM_INFINITY)
		need(RLIMIT_DATA, (256UL << 20) + sysconf(_SC_NPROCESSORS_ONLN) * (16UL << 20),
		     "data", 'd');
}

// What the runtime calls to start a thread, which it does at any time. It aborts where there are
// no more, after as many tries.
__attribute__((visibility("hidden"))) int
pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
		dlsym(RTLD_NEXT, "pthread_create");

	for (int try = 1; try <= 20; try++) {
		int error = real(thread, attr, run, arg);

		if (error != EAGAIN)
			return error;
		nanosleep(&(struct timespec){ .tv_nsec = try * 1000000 }, NULL);
	}
	say("opensnoop: no thread can be started; raise the limit of processes "
	    "(ulimit -u, or that of the cgroup) or of memory\n");
}
