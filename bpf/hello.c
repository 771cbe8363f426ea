// SPDX-License-Identifier: GPL-2.0-only

//go:build ignore

// A line "Hello, World!" in trace_pipe for each clone(2) of one thread: the first
// live check of opensnoop doctor. libbcc compiles it with these macros:
//
//	THREAD_0, THREAD_1
//	                  the two halves of the thread's comm, which the line ends with
//	PROBE_TRACEPOINT  hook the entry of every system call, not clone alone
//	SYSCALL=n         then, the number of clone

#include <uapi/linux/ptrace.h>
#include <linux/sched.h>

static __always_inline int say_hello(void)
{
	u64 comm[TASK_COMM_LEN / sizeof(u64)] = {};

	bpf_get_current_comm(comm, sizeof(comm));
	if (comm[0] != THREAD_0 || comm[1] != THREAD_1)
		return 0;
	bpf_trace_printk("Hello, World! %s\n", comm);
	return 0;
}

#ifdef PROBE_TRACEPOINT

// sys_enter(struct pt_regs *regs, long id)
int hello(struct bpf_raw_tracepoint_args *ctx)
{
	return ctx->args[1] == SYSCALL ? say_hello() : 0;
}

#else

int hello(struct pt_regs *ctx)
{
	return say_hello();
}

#endif
