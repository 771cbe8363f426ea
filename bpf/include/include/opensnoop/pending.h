// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_PENDING_H
#define _OPENSNOOP_PENDING_H

// Pending calls: those whose record waits for their return.

#include <opensnoop/maps.h>
#include <opensnoop/record.h>

// A pending call: the record as far as it is known, with the address of the name in
// the name's place. User space can give it out as it is.
struct pending_call {
	char fixed[FIXED_SIZE]; // the time in it is the entry's
	u64 name;
};

// Where calls are rarely pending, counting them keeps the hash look-up off the usual
// way.
static __always_inline void count_pending(s64 n)
{
#if !(FIELDS & FIELD_RESULT)
	add(PENDING_IN, n);
#endif
}

// none_pending reports whether it is certain, without a look-up, that no call is pending.
static __always_inline bool none_pending(void)
{
#if FIELDS & FIELD_RESULT
	return false;
#else
	u64 *in = slot(PENDING_IN), *out = slot(PENDING_RECLAIMED);

	return !in || !out || *in == *out;
#endif
}

// take_pending moves a thread's pending call out of the map and into the record, and
// its name's address into address; false if there is none. Only one taker gets it: user
// space, which gives out calls that grew old, deletes it by the same rule.
static __always_inline bool take_pending(u64 id, struct record *r, u64 *address)
{
	struct pending_call *call = find_pending(&id);

	if (!call)
		return false;
	__builtin_memcpy(r, call->fixed, FIXED_SIZE);
	*address = call->name;
	if (delete_pending(&id))
		return false;
	count_pending(-1);
	return true;
}

// make_pending puts the call of a filled record into the map; false if that is full.
static __always_inline bool make_pending(struct record *r, u64 id, u64 address)
{
	r->time = bpf_ktime_get_ns();
	r->name_kind = NAME_UNSEEN;
	r->name_len = sizeof(address);
	__builtin_memcpy(r->name, &address, sizeof(address));
	if (put_pending(&id, r))
		return false;
	count_pending(1);
	return true;
}

#endif
