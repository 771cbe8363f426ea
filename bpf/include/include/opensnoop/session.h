// SPDX-License-Identifier: GPL-2.0-only

// The kernel's open functions by kprobe sessions: a program runs at the entry of a function, and at
// the return if it said 0 at the entry.

#include <opensnoop/kprobe.h>

#if PROBE_SESSION

// The kernel's function that tells the return from the entry. It has no number as its other ones have:
// internal/object puts that of its type in place of this one.
#define SESSION_IS_RETURN 0x5e551
static bool (*bpf_session_is_return)(void *ctx) = (void *)SESSION_IS_RETURN;

static __always_inline int returned(struct pt_regs *ctx)
{
	trace_return(ctx, NULL, (s32)PT_REGS_RC(ctx));
	return 0;
}

// As on_open_enter.
static __always_inline int on_open_session(struct pt_regs *ctx)
{
	return bpf_session_is_return(ctx) ? returned(ctx) : !enter(ctx, false);
}

// on_open_end is at the return alone. Calls have begun in on_open_named. It records those that have not: they
// failed before the kernel had a copy of their name, or the kernel skipped the program there.
static __always_inline int on_open_end(struct pt_regs *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	s64 result = (s32)PT_REGS_RC(ctx);

	if (return_in_place(ctx, id, NULL, result))
		return 0;
	if (names_later() && !find_call(id))
		trace_current(ctx, NULL);
	trace_return(ctx, NULL, result);
	return 0;
}

// As on_openat2_enter.
static __always_inline int on_openat2_session(struct pt_regs *ctx)
{
	return bpf_session_is_return(ctx) ? returned(ctx) : on_openat2_enter(ctx);
}

// As on_sigreturn_exit.
static __always_inline int on_sigreturn_session(struct pt_regs *ctx)
{
	return bpf_session_is_return(ctx) ? end_interrupted(ctx) : none_counted();
}

#endif
