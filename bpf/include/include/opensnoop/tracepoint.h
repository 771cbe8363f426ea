// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_TRACEPOINT_H
#define _OPENSNOOP_TRACEPOINT_H

// The entry and exit of every system call, by raw tracepoints.

#include <opensnoop/trace.h>

// sys_enter(struct pt_regs *regs, long id)
static __always_inline int on_syscall_enter(struct bpf_raw_tracepoint_args *ctx)
{
	if (is_open(ctx->args[1]))
		trace_call(ctx, current_regs((void *)ctx->args[0]), ctx->args[1]);
	return 0;
}

// sys_exit(struct pt_regs *regs, long ret)
static __always_inline int on_syscall_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = (void *)ctx->args[0];

	// What can be said of most calls at once comes first.
#if FIELDS & FIELD_RESULT
	typeof(regs->SYSCALL_NR) saved = 0;
	u32 nr;

	bpf_probe_read_kernel(&saved, sizeof(saved), &regs->SYSCALL_NR);
	nr = saved;
	if (!is_open(nr) && nr != NR_NONE)
		return 0;
#endif
	if (!none_pending())
		trace_return(ctx, current_regs(regs), (long)ctx->args[1]);
	return 0;
}

#endif
