// SPDX-License-Identifier: GPL-2.0-only

// The programs that walk on, for the programs that begin walks.

#include <opensnoop/trace.h>

// entered_walked goes on with the entry of a call that was walked.
static __always_inline int entered_walked(void *ctx, struct call *c)
{
	if (!c)
		return 0;
	if (HOLDS(FIELD_RESULT) || is_shared(&c->record))
		keep_shared(c);
	entered(ctx, c);
	return 0;
}

static __always_inline int on_walk_enter(void *ctx)
{
	return entered_walked(ctx, finish_walk(ctx, SCRATCH_ENTER));
}

static __always_inline int on_walk_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct call *c = finish_walk(ctx, SCRATCH_EXEC);

	if (c)
		end_call(ctx, c, 0);
	return 0;
}

static __always_inline int on_walk_return(void *ctx)
{
	struct call *c = scratch_call(SCRATCH_RETURN);

	if (!c)
		return 0;
	walk_on(ctx, c, SCRATCH_RETURN);
	end_call(ctx, c, *c->record.result);
	return 0;
}
