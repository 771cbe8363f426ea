// SPDX-License-Identifier: Apache-2.0

// A command before it is that: what this program is when command.go starts it under
// the name HELD. It takes the rights that the command shall have, waits for a byte,
// and executes the command. All before Go's runtime starts: there is one thread, and
// nothing is opened. The C library must hand main's arguments to constructors, as
// glibc does.
#define _GNU_SOURCE
#include "held.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

// The arguments, by their places; behind them come the command's own.
enum { NAME, IDS, PATH, ARGUMENTS };

static void report(int step, int error)
{
	struct held_report r = { step, error };

	if (write(HELD_REPORT, &r, sizeof r) != sizeof r)
		_exit(1); // whoever started us is gone
}

static void fail(int step)
{
	report(step, errno);
	_exit(1);
}

// become takes the rights of a user: uid, gid and all groups, by blanks. It returns
// -1 and sets errno if that fails.
static int become(char *ids)
{
	uid_t uid = strtoul(ids, &ids, 10);
	gid_t gid = strtoul(ids, &ids, 10);
	gid_t *groups = malloc(strlen(ids) * sizeof *groups);
	size_t n = 0;

	if (!groups && *ids)
		return -1;
	while (*ids)
		groups[n++] = strtoul(ids, &ids, 10);
	if (setgroups(n, groups) || setresgid(gid, gid, gid))
		return -1;
	return setresuid(uid, uid, uid);
}

// Rights that come from this program's file, by its mode or capabilities, are not
// for the command, and whoever can start it so is not believed about users. The
// capabilities go when the command is executed.
static int drop_rights_of_file(void)
{
	uid_t uid = getuid();
	gid_t gid = getgid();

	return setresgid(gid, gid, gid) || setresuid(uid, uid, uid) ? -1 : 0;
}

__attribute__((constructor)) static void hold(int argc, char **argv)
{
	char byte;
	ssize_t n;

	if (strcmp(program_invocation_name, HELD))
		return;
	if (argc <= ARGUMENTS)
		_exit(1);
	if (fcntl(HELD_GATE, F_SETFD, FD_CLOEXEC) || fcntl(HELD_REPORT, F_SETFD, FD_CLOEXEC))
		_exit(1);
	if (getauxval(AT_SECURE)) {
		if (drop_rights_of_file())
			fail(HELD_RIGHTS);
	} else if (*argv[IDS] && become(argv[IDS])) {
		fail(HELD_RIGHTS);
	}
	if (access(argv[PATH], X_OK))
		fail(HELD_EXECUTE);
	prctl(PR_SET_NAME, "opensnoop"); // it is executed as /proc/self/exe
	report(HELD_READY, 0);
	do
		n = read(HELD_GATE, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(1); // the tracer is gone, or will not let us go
	execve(argv[PATH], argv + ARGUMENTS, environ);
	fail(HELD_EXECUTE);
}
