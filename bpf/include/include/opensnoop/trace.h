// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_TRACE_H
#define _OPENSNOOP_TRACE_H

// What happens at the entry and at the return of an open, whatever hooks it.

#include <opensnoop/emit.h>
#include <opensnoop/pending.h>

// trace_enter makes the record of a call of the current thread, whose pid_tgid id is,
// and sends it if nothing is left to wait for.
static __always_inline void trace_enter(void *ctx, u64 id, struct open_args *args)
{
	struct record *r;
	u64 missed;
	int zero = 0;
	long n;

#if FIELDS & FIELD_FLAGS
	if (args->flags_read && !flags_wanted(args->flags))
		return;
#else
	args->flags_read = true; // none are wanted
#endif
	r = scratch_record(&zero);
	if (!r)
		return;
	// This thread's last call is still pending only if its return was missed.
	if (!none_pending() && take_pending(id, r, &missed))
		submit_named(ctx, r, -1, NAME_UNSEEN, missed);

	fill(r, id, args);
#if FIELDS & FIELD_RESULT
#if defined(NAMES) || defined(NAMES_EXCLUDED)
	n = bpf_probe_read_user_str(r->name, sizeof(r->name), (void *)args->name);
	if (n >= 0 && !name_wanted(r->name))
		return;
#endif
	// Where there is no room for one more call, without a result rather than not at all.
	if (make_pending(r, id, args->name))
		return;
#endif
	n = bpf_probe_read_user_str(r->name, sizeof(r->name), (void *)args->name);
	if (n >= 0 && args->flags_read) {
#ifndef FAILED
		submit_named(ctx, r, n, NAME_READ, 0);
#else
		add(LOST_PENDING, 1);
#endif
		return;
	}
	if (!make_pending(r, id, args->name))
		add(LOST_PENDING, 1);
}

// trace_return finishes the current thread's pending call. saved is where its
// registers are, NULL if that is not known here.
static __always_inline void trace_return(void *ctx, void *saved, s64 result)
{
	u64 id, address;
	struct record *r;
	int zero = 0;
	long n;

	if (none_pending())
		return;
	id = bpf_get_current_pid_tgid();
	r = scratch_record(&zero);
	if (!r || !take_pending(id, r, &address))
		return;
#ifdef FAILED
	if (result >= 0)
		return;
#endif
#if FIELDS & FIELD_RESULT
	r->result = result;
#endif
#if FIELDS & FIELD_FLAGS
	if (saved && r->fields & UNREAD(FIELD_FLAGS)) {
		struct pt_regs *regs = current_regs(saved);
		struct open_args args = {};

		if (read_open_args(regs, syscall_nr(regs), &args)) {
			if (args.flags_read && !flags_wanted(args.flags))
				return;
			set_flags(r, &args);
		}
	}
#endif
	n = bpf_probe_read_user_str(r->name, sizeof(r->name), (void *)address);
	submit_named(ctx, r, n, NAME_BAD, address);
}

#endif
