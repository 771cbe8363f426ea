// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_PENDING_H
#define _OPENSNOOP_PENDING_H

// Pending calls: those whose record waits for their return.

#include <opensnoop/call.h>
#include <opensnoop/emit.h>
#include <opensnoop/maps.h>
#include <opensnoop/shared.h>

// count_pending counts what is rare among the calls of the map, so that nobody has to look
// for it who knows that there is none: any call, or with results an interrupted one.
static __always_inline void count_pending(u64 id, s64 n)
{
#if FIELDS & FIELD_RESULT
	if (id != INTERRUPTED_ID(id))
		return;
#endif
	add(PENDING_IN, n);
}

static __always_inline bool none_counted(void)
{
	u64 *in = slot(PENDING_IN), *out = slot(PENDING_RECLAIMED);

	return NO_SLOT(in) || NO_SLOT(out) || *in == *out;
}

// none_pending reports whether it is certain, without a look-up, that no call is pending.
static __always_inline bool none_pending(void)
{
#if FIELDS & FIELD_RESULT
	return false;
#else
	return none_counted();
#endif
}

// none_interrupted is the same of interrupted calls.
static __always_inline bool none_interrupted(void)
{
	return none_counted();
}

// recall_name puts the strings of a call that was taken out of the map beside into its record.
static __always_inline void recall_name(struct call *c, u64 id)
{
#if FIELDS & FIELD_RESULT
	struct record *r = &c->record;
	u32 len = strings_size(r);
	char *name;

	if (len <= SHORT_NAME)
		return;
	name = find_long_name(&id);
	if (!name || bpf_probe_read_kernel(r->name, len, name)) {
		forget_walks(r);
		set_address(r, NAME_UNSEEN, c->address);
	}
	delete_long_name(&id);
#endif
}

// take_pending takes a call out of the map; false if it is not there. Only one taker gets
// it: user space, which gives out calls whose end will not be seen, does the same.
static __always_inline bool take_pending(struct call *c, u64 id)
{
	struct pending_call *kept = find_pending(&id);

	if (!kept)
		return false;
	__builtin_memcpy(c, kept, sizeof(*kept));
	if (delete_pending(&id))
		return false;
	count_pending(id, -1);
	recall_name(c, id);
	return true;
}

// make_pending puts a call into the map; false if there is no room.
static __always_inline bool make_pending(struct call *c, u64 id)
{
	struct record *r = &c->record;
	bool is_long = strings_size(r) > SHORT_NAME;

	r->time = bpf_ktime_get_ns();
	if (!began(r))
		set_began(r, -(s64)r->time);
	if (is_long && put_long_name(&id, r->name))
		return false;
	if (put_pending(&id, c)) {
		if (is_long)
			delete_long_name(&id);
		return false;
	}
	count_pending(id, 1);
	return true;
}

// is_shared reports whether other threads may have changed what a name is relative to.
static __always_inline bool is_shared(struct record *r)
{
#if FIELDS & FIELD_PATH
	return r->base_state & WALK_SHARED;
#else
	return false;
#endif
}

// complete reports whether nothing is left to wait for of a record.
static __always_inline bool complete(struct record *r)
{
#if FIELDS & FIELD_RESULT
	return false;
#else
	return r->name_kind != NAME_UNSEEN && !(r->fields & FLAGS_UNREAD) && !is_shared(r);
#endif
}

// entered sends the record of a call, or of a request, at its entry if it is complete, or else
// makes it pending.
static __always_inline void entered(void *ctx, struct call *c)
{
	struct record *r = &c->record;

	if (!complete(r) && make_pending(c, c->id)) {
#if defined(PROBE_KPROBE) && FIELDS & FIELD_PATH && !(FIELDS & FIELD_RESULT)
		if (is_shared(r))
			note(RETURN_WANTED, 1);
#endif
		return;
	}
	// No room for one more: without what is missing rather than not at all.
	if (complete(r) || (result_wanted(RESULT_UNKNOWN) && r->name_kind != NAME_UNSEEN))
		submit(ctx, r);
	else
		add(LOST_PENDING, 1);
}

// end_call sends the record of a call that was taken out, if calls that end so are wanted.
static __always_inline void end_call(void *ctx, struct call *c, s64 result)
{
	struct record *r = &c->record;

	check_shared(c, result);
	if (!set_result(r, result) || (r->name_kind != NAME_READ && !record_wanted(r)))
		return;
	submit(ctx, r);
}

// settle ends the call that had this id before, if it is still pending: its end was not
// seen. Not every request of io_uring has one (IOSQE_CQE_SKIP_SUCCESS), and its memory is
// used again.
static __always_inline void settle(void *ctx, struct call *c, u64 id)
{
	if (none_pending() || !take_pending(c, id))
		return;
#if !defined(PROBE_TRACEPOINT) && !(FIELDS & FIELD_RESULT)
	// It has ended before the kernel had a copy of its name that it opens: it could not read
	// that, if it cannot be read now.
	char byte;

	if (c->record.name_kind == NAME_UNSEEN &&
	    bpf_probe_read_user(&byte, sizeof(byte), (void *)c->address))
		c->record.name_kind = NAME_BAD;
#endif
	end_call(ctx, c, RESULT_UNKNOWN);
}

#endif
