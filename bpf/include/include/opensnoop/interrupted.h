// SPDX-License-Identifier: GPL-2.0-only

// Which exit of a system call is the end of a pending call.
//
// A call that a signal interrupts exits with a code that the program never gets. The
// kernel then runs the signal's handler, if there is one, which may make calls of its
// own, and puts back the registers. Then, or at once without a handler, either the
// program gets EINTR, or the call enters again as it was. Until that shows, the call is
// pending by another id.

#include <linux/errno.h>
#include <opensnoop/pending.h>
#include <opensnoop/syscall.h>

// What an exit of the thread is for its call that was pending.
enum exit_kind {
	EXIT_FINAL,
	EXIT_RESTARTS,
	EXIT_MISSED, // than its end, at which the kernel skipped this program
};

// is_interruption reports whether a call exits with a code that the program never gets.
static __always_inline bool is_interruption(s64 result)
{
	return result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK;
}

// exit_kind_of looks at an exit with these registers; NULL if it is not a system call's, but
// the return of the function that opens.
static __always_inline enum exit_kind exit_kind_of(struct call *c, struct pt_regs *regs, s64 result)
{
	if (regs && (u32)c->nr != NR_ANY && (u32)c->nr != (u32)syscall_nr(regs))
		return EXIT_MISSED;
	if (HOLDS(FIELD_RESULT) && is_interruption(result))
		return EXIT_RESTARTS;
	return EXIT_FINAL;
}

// interrupt puts a call that was taken out back by the id of interrupted calls.
static __always_inline void interrupt(void *ctx, struct call *c, u64 id, struct pt_regs *regs)
{
	struct call *before = scratch_call(SCRATCH_INTERRUPTED);

	id = INTERRUPTED_ID(id);
	// The program has left the signal handler of the one before by longjmp.
	if (before && take_pending(before, id))
		end_call(ctx, before, -EINTR);
	c->sp = LOAD(&regs->sp);
	if (!make_pending(c, id))
		submit(ctx, &c->record);
}

// find_interrupted is the thread's interrupted call, and makes the id that by which it is pending; NULL if
// there is none.
static __always_inline struct call *find_interrupted(u64 *id)
{
	*id = INTERRUPTED_ID(*id);
	return none_counted() ? NULL : (struct call *)pending.lookup(id);
}

// ends_interrupted reports whether an exit is the end of the thread's interrupted call.
static __always_inline bool ends_interrupted(u64 id, struct pt_regs *regs, s64 result)
{
	struct call *kept = result == -EINTR && regs ? find_interrupted(&id) : NULL;

	return kept && (u32)syscall_nr(regs) == NR_NONE && LOAD(&regs->sp) == kept->sp;
}

// drop_if_restarted takes the interrupted call out if an entry with these arguments begins it again,
// and returns when it first began, or 0.
static __always_inline s64 drop_if_restarted(struct call *c, u64 id, struct open_args *args)
{
	struct call *kept = HOLDS(FIELD_RESULT) ? find_interrupted(&id) : NULL;

	if (kept && kept->address == args->name && (!args->regs || kept->sp == LOAD(&args->regs->sp)) &&
	    take_pending(c, id))
		return began(&c->record);
	return 0;
}
