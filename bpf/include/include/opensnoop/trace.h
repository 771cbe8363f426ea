// SPDX-License-Identifier: GPL-2.0-only

// What happens at the entry and at the return of an open, whatever hooks it.

#include <opensnoop/emit.h>
#include <opensnoop/inplace.h>
#include <opensnoop/interrupted.h>
#include <opensnoop/names.h>
#include <opensnoop/pending.h>

// trace_enter makes the record of a call of the current thread, whose pid_tgid id is.
static __always_inline void trace_enter(void *ctx, u64 id, struct open_args *args)
{
	if (!HOLDS(FIELD_FLAGS))
		args->flags_read = true; // none are wanted
	else if (args->flags_read && !flags_wanted(args->flags)) {
		keep_apart(id);
		return;
	}
	if (enter_in_place(id, args))
		return;

	struct call *c = scratch_call(SCRATCH_ENTER);

	if (!c)
		return;
	finish_stale_pending(ctx, c, id);

	s64 before = drop_if_restarted(c, id, args);
	struct record *r = &c->record;

	fill(r, id, args);
	set_began(r, before);
	if (names_later() && !args->by_handle)
		set_address(r, NAME_UNSEEN, args->name);
	else
		read_name(r, args);
	c->address = args->name;
	c->nr = call_nr(args);
	c->id = id;
	c->dropped = r->name_kind != NAME_UNSEEN && !record_wanted(r);
	if (c->dropped)
		return;
	if (needs_walk(c))
		walk(ctx, c, SCRATCH_ENTER);
	entered_unwalked(ctx, c);
}

// trace_call is the same of the system call of that number that a traced thread is in, if it is one
// that opens.
static __always_inline void trace_call(void *ctx, u64 id, struct pt_regs *regs, u32 nr)
{
	struct open_args args = {};

	if (read_open_args(regs, nr, &args))
		trace_enter(ctx, id, &args);
}

// trace_current is the same of whatever the current thread is in. Saved is where a hook says that its
// registers are, if it does.
static __always_inline void trace_current(void *ctx, void *saved)
{
	u64 id = bpf_get_current_pid_tgid();
	struct pt_regs *regs;

	if (!is_traced(id))
		return;
	regs = current_regs(saved);
	trace_call(ctx, id, regs, syscall_nr(regs));
}

// read_missing reads at the end of a call what was not in memory at its entry. False if
// the call turns out not to be wanted.
static __always_inline bool read_missing(struct call *c, struct pt_regs *regs, s64 result)
{
	struct record *r = &c->record;

	if (regs && !read_missing_flags(r, regs))
		return false;
	if (r->name_kind != NAME_UNSEEN)
		return true;
	// One that was made in place and has no name yet has failed before the kernel had a copy of that.
	if (r->time && bpf_ktime_get_ns() - r->time > UNREAD_TIME)
		return record_wanted(r);

	long n = bpf_probe_read_user_str(deferred_name(r), PATH_MAX, (void *)c->address);

	if (LOOKUPS && c->nr & NR_MAY_BE_EMPTY && (n == 0 || n == 1))
		return false;
	// Its memory may have gone since the kernel read it.
	set_deferred_name(r, n, result == -EFAULT ? NAME_BAD : NAME_UNSEEN, c->address);
	if (NAMES_COPIED && r->kind == OPENED && n >= 0 && was_copied(result, n))
		r->name_kind = NAME_UNSURE;
	return record_wanted(r);
}

// count_unseen counts a call that ends, and was not pending: the kernel skipped the program
// at its entry, if it skipped any.
static __always_inline void count_unseen(u64 id, struct pt_regs *regs, s64 result)
{
	// One that is interrupted begins again.
	if (!PROBE_TRACEPOINT || is_interruption(result) || !result_wanted(result))
		return;

	struct open_args args = {};

	if (read_open_args(regs, syscall_nr(regs), &args) && is_chosen(local_id(id)) && flags_wanted(args.flags) &&
	    !(args.kind == EXECUTED && !result))
		add(LOST_ENTRY, 1);
}

// trace_return finishes the current thread's pending call. regs are the registers of its
// system call as they are at its exit, NULL at the return of another function. A session's return is
// that of the call whose entry it has seen: its registers are looked at only where that was interrupted.
static __always_inline void trace_return(void *ctx, struct pt_regs *regs, s64 result)
{
	if (none_pending())
		return;

	u64 id = bpf_get_current_pid_tgid();

	if (return_in_place(ctx, id, regs, result))
		return;
	if (PROBE_SESSION)
		regs = current_regs(NULL);

	struct call *c = scratch_call(SCRATCH_RETURN);

	if (!c)
		return;
	if (take_pending(c, id)) {
		enum exit_kind kind = exit_kind_of(c, regs, result);

		if (HOLDS(FIELD_RESULT) && kind == EXIT_RESTARTS) {
			interrupt(ctx, c, id, regs);
			return;
		}
		if (kind == EXIT_MISSED) {
			count_hidden(id);
			result = RESULT_UNKNOWN;
		} else {
			check_name(c, PATH_MAX);
			if (!read_missing(c, regs, result))
				return;
			prove_descriptor(c, result);
		}
		if (HOLDS(FIELD_FILE)) {
			if (!set_result(&c->record, result))
				return;
			if (kind == EXIT_FINAL)
				walk_file(ctx, c, SCRATCH_RETURN);
		}
		end_call(ctx, c, result);
		if (EXECS && c->record.kind == EXECUTED && take_pending(c, EXEC_ID(id)))
			end_call(ctx, c, result);
		return;
	}
	if (!HOLDS(FIELD_RESULT))
		return;
	if (!ends_interrupted(id, regs, result))
		count_unseen(id, regs, result);
	else if (take_pending(c, INTERRUPTED_ID(id)))
		end_call(ctx, c, -EINTR);
}

// end_interrupted looks at the return of the system call sigreturn and its like: after a handler, the
// end of the call that the signal has interrupted, unless that begins again.
static __always_inline int end_interrupted(void *ctx)
{
	struct pt_regs *regs = current_regs(NULL);
	struct call *c = scratch_call(SCRATCH_RETURN);
	u64 id = bpf_get_current_pid_tgid();

	if (c && ends_interrupted(id, regs, (s64)LOAD(&regs->SYSCALL_RESULT)) &&
	    take_pending(c, INTERRUPTED_ID(id)))
		end_call(ctx, c, -EINTR);
	return 0;
}
