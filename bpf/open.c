// SPDX-License-Identifier: GPL-2.0-only

//go:build ignore

// A line "pid=…, file=…" in trace_pipe for each open of one thread: the second
// live check of opensnoop doctor. libbcc compiles it with these macros:
//
//	THREAD_0, THREAD_1
//	                  the two halves of the thread's comm
//	PROBE_TRACEPOINT  hook the entry of every system call, not the kernel's own
//	                  open function
//	SYSCALL=n         then, the number of openat

#include <uapi/linux/ptrace.h>
#include <linux/sched.h>

static __always_inline int say_open(const char *name)
{
	u64 comm[TASK_COMM_LEN / sizeof(u64)] = {};
	char file[64] = {};

	bpf_get_current_comm(comm, sizeof(comm));
	if (comm[0] != THREAD_0 || comm[1] != THREAD_1)
		return 0;
	bpf_probe_read_user_str(file, sizeof(file), name);
	bpf_trace_printk("pid=%d, file=%s\n", (int)(bpf_get_current_pid_tgid() >> 32), file);
	return 0;
}

#ifdef PROBE_TRACEPOINT

// sys_enter(struct pt_regs *regs, long id)
int open_file(struct bpf_raw_tracepoint_args *ctx)
{
	u64 name = 0;

	if (ctx->args[1] != SYSCALL)
		return 0;
	bpf_probe_read_kernel(&name, sizeof(name), &PT_REGS_PARM2((struct pt_regs *)ctx->args[0]));
	return say_open((const char *)name);
}

#else

// do_sys_openat2(int dfd, const char __user *filename, struct open_how *how),
// do_sys_open(int dfd, const char __user *filename, int flags, umode_t mode)
// before 5.6.
int open_file(struct pt_regs *ctx)
{
	return say_open((const char *)PT_REGS_PARM2(ctx));
}

#endif
