// SPDX-License-Identifier: GPL-2.0-only

// The ends of calls, by trampolines: no other system call is hooked for them.

#include <opensnoop/kprobe.h>

// do_sys_openat2(int dfd, const char __user *filename, struct open_how *how), and
// do_handle_open(int mountdirfd, struct file_handle __user *ufh, int open_flag).
static __always_inline int on_open_exit(FUNCTION *ctx)
{
	trace_return(ctx, current_regs(NULL), (s32)PARM(4, ctx));
	return 0;
}

// __x64_sys_openat2(const struct pt_regs *regs) and its like: a call that is still pending there was
// refused before it came to the kernel's open function.
static __always_inline int on_openat2_exit(FUNCTION *ctx)
{
	trace_return(ctx, current_regs(NULL), (s32)PARM(2, ctx));
	return 0;
}

static __always_inline int on_sigreturn_exit(FUNCTION *ctx)
{
	return end_interrupted(ctx);
}
