// SPDX-License-Identifier: Apache-2.0

// What a compiler process does before anything else: before Go's runtime starts, while
// there is one thread, it gives up all rights.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void must(int result, const char *what)
{
	if (!result)
		return;
	fprintf(stderr, "giving up rights: %s: %s\n", what, strerror(errno));
	_exit(1);
}

// become makes the process one of the user and group of that number, and no other.
static int become(unsigned id)
{
	if (setgroups(0, NULL) || setresgid(id, id, id))
		return -1;
	return setresuid(id, id, id);
}

// be_killed_first has the kernel kill this process, and not its parent, where memory is short: the
// parent lives to tell.
static void be_killed_first(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	dprintf(fd, "1000");
	close(fd);
}

// drop_user leaves root for a user that no other process has: one of its own could send
// it signals. The numbers are above those that systems hand out. In a user namespace
// they may not be there; nobody's is.
static void drop_user(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	unsigned id;

	// What limits the number of root's processes binds others than root, but is not for them.
	setrlimit(RLIMIT_NPROC, &all);
	must(getrandom(&id, sizeof(id), 0) != sizeof(id), "a number for a user");
	if (become(0x60000000 + (id & 0x0fffffff)))
		must(become(65534), "changing the user");
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); // not before Linux 4.3
	must(syscall(SYS_capset, &header, none), "dropping capabilities");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "refusing new rights");
}

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

// drop_calls takes away the system calls that libbcc would make without need. bpf(2) is
// answered by shim.c; a program, such as modprobe, is not started. A kernel without
// seccomp lets them be: they fail there too, for want of rights.
static void drop_calls(void)
{
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ON(value, action) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1), BPF_STMT(BPF_RET | BPF_K, action)
	struct sock_filter filter[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
		LOAD(nr),
		ON(SYS_bpf, SECCOMP_RET_TRAP),
		ON(SYS_execve, SECCOMP_RET_ERRNO | EPERM),
		ON(SYS_execveat, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static __attribute__((constructor)) void confine(int argc, char **argv)
{
	struct rlimit none = { 0, 0 };

	if (argc != 1 || strcmp(argv[0], "opensnoop: compiler"))
		return;
	be_killed_first();
	// Nobody may trace it, nor read its memory or its files.
	must(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "refusing to be traced");
	if (geteuid() == 0)
		drop_user();
	else
		must(setresgid(getgid(), getgid(), getgid()) ||
			     setresuid(getuid(), getuid(), getuid()),
		     "changing the user");
	drop_capabilities();
	drop_calls();
	must(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "refusing to be traced");
	// A change of the user has taken back who asked for it.
	must(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "ending with the parent");
	setrlimit(RLIMIT_CORE, &none);
	must(chdir("/"), "leaving the working folder");
	umask(077);
}
