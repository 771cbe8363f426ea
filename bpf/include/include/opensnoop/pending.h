// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_PENDING_H
#define _OPENSNOOP_PENDING_H

// Calls that wait for their return.

#include <opensnoop/maps.h>
#include <opensnoop/record.h>

// A call that waits for its return: the record as far as it is known, with the
// address of the name in the name's place. User space can give it out as it is.
struct call {
	char header[HEADER_SIZE]; // its time is the entry's
	u64 name;
};

// Where calls wait rarely, counting them keeps the hash look-up off the usual way.
static __always_inline void count_waiting(s64 n)
{
#if !(FIELDS & FIELD_RESULT)
	add(WAITING, n);
#endif
}

static __always_inline bool none_waits(void)
{
#if FIELDS & FIELD_RESULT
	return false;
#else
	u64 *in = counter(WAITING), *out = counter(RECLAIMED);

	return !in || !out || *in == *out;
#endif
}

// take moves a waiting call out of the map and into the record, and returns its
// name's address. Only one taker gets it: user space, which gives out calls that
// grew old, deletes it by the same rule.
static __always_inline bool take(u64 id, struct record *r, u64 *address)
{
	struct call *waiting = find_call(&id);

	if (!waiting)
		return false;
	__builtin_memcpy(r, waiting->header, HEADER_SIZE);
	*address = waiting->name;
	if (delete_call(&id))
		return false;
	count_waiting(-1);
	return true;
}

// wait puts the call of a filled record into the map; false if it is full.
static __always_inline bool wait(struct record *r, u64 id, u64 address)
{
	r->time = bpf_ktime_get_ns();
	r->name_kind = NAME_UNSEEN;
	r->name_len = sizeof(address);
	__builtin_memcpy(r->name, &address, sizeof(address));
	if (put_call(&id, r))
		return false;
	count_waiting(1);
	return true;
}

#endif
