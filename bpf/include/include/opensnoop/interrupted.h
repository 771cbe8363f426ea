// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_INTERRUPTED_H
#define _OPENSNOOP_INTERRUPTED_H

// Which exit of a system call is the end of a pending call.
//
// A call that a signal interrupts exits with a code that the program never gets. The
// kernel then runs the signal's handler, if there is one, which may make calls of its
// own, and puts back the registers. Then, or at once without a handler, either the
// program gets EINTR, or the call enters again as it was. Until that shows, the call is
// pending by another id.

#include <opensnoop/pending.h>
#include <opensnoop/syscall.h>

#define ERESTART_FIRST 512 // ERESTARTSYS (include/linux/errno.h)
#define ERESTART_LAST 516  // ERESTART_RESTARTBLOCK
#define EINTR 4

// What an exit of the thread is for its pending call.
enum ending {
	ITS_END,
	INTERRUPTION,
	LATER, // than its end, at which the kernel skipped this program
};

// ending_of looks at an exit with these registers; NULL if it is not a system call's, but
// the return of the function that opens.
static __always_inline enum ending ending_of(struct pending_call *pending, struct pt_regs *regs,
					     s64 result)
{
	struct call *call = (struct call *)pending;

	if (!regs)
		return ITS_END;
	if (call->nr != NR_ANY && call->nr != (u32)syscall_nr(regs))
		return LATER;
#if FIELDS & FIELD_RESULT
	if (result <= -ERESTART_FIRST && result >= -ERESTART_LAST)
		return INTERRUPTION;
#endif
	return ITS_END;
}

#if FIELDS & FIELD_RESULT
// end_interrupted ends a call that was interrupted and does not begin again.
static __always_inline void end_interrupted(void *ctx, struct call *c, u64 id)
{
	if (!drop_pending(id))
		return;
	if (set_result(&c->record, -EINTR))
		submit_kept(ctx, c, id);
	else
		forget_name(&c->record, id);
}

// interrupt puts the pending call, which c is a copy of, by the id of interrupted calls.
static __always_inline void interrupt(void *ctx, struct call *c, u64 id, struct pt_regs *regs)
{
	u64 to = INTERRUPTED_ID(id);
	struct pending_call *before = find_pending(&to);

	if (before) {
		// Out of whose handler the program has jumped.
		copy_pending(c, before);
		end_interrupted(ctx, c, to);
		before = find_pending(&id);
		if (!before)
			return;
		copy_pending(c, before);
	}
	c->sp = LOAD(&regs->sp);
	if (!move_pending(c, id, to)) {
		if (set_result(&c->record, RESULT_UNKNOWN))
			submit_kept(ctx, c, id);
		else
			forget_name(&c->record, id);
	}
}
#endif

// find_interrupted finds the interrupted call that ends with this exit.
static __always_inline struct pending_call *find_interrupted(u64 *id, struct pt_regs *regs,
							     s64 result)
{
#if FIELDS & FIELD_RESULT
	struct pending_call *pending;

	if (result != -EINTR || !regs || none_interrupted())
		return NULL;
	*id = INTERRUPTED_ID(*id);
	pending = find_pending(id);
	if (pending && (u32)syscall_nr(regs) == NR_NONE &&
	    LOAD(&regs->sp) == ((struct call *)pending)->sp)
		return pending;
#endif
	return NULL;
}

// restart forgets the interrupted call if an entry with these arguments is its new beginning.
static __always_inline void restart(struct call *c, u64 id, struct open_args *args)
{
#if FIELDS & FIELD_RESULT
	struct pending_call *before;

	if (none_interrupted())
		return;
	id = INTERRUPTED_ID(id);
	before = find_pending(&id);
	if (!before)
		return;
	copy_pending(c, before);
	if (c->address == args->name && (!args->sp || c->sp == args->sp) && drop_pending(id))
		forget_name(&c->record, id);
#endif
}

#endif
