// SPDX-License-Identifier: GPL-2.0-only

// The entry and exit of every system call, by raw tracepoints.

#include <opensnoop/trace.h>

// sys_enter(struct pt_regs *regs, long id)
static __always_inline int on_syscall_enter(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id;

	if (!is_open(ctx->args[1]))
		return 0;
	id = bpf_get_current_pid_tgid();
	if (is_traced(id)) // before the registers are looked for, which takes as long
		trace_call(ctx, id, current_regs((void *)ctx->args[0]), ctx->args[1]);
	return 0;
}

// sys_exit(struct pt_regs *regs, long ret)
static __always_inline int on_syscall_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs;

	// What can be said of most calls at once comes first.
	if (none_pending())
		return 0;
	regs = current_regs((void *)ctx->args[0]);
	if (FIELDS & FIELD_RESULT) {
		u32 nr = syscall_nr(regs);

		if (!is_open(nr) && nr != NR_NONE)
			return 0;
	}
	trace_return(ctx, regs, (long)ctx->args[1]);
	return 0;
}
