// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_PENDING_H
#define _OPENSNOOP_PENDING_H

// Pending calls: those whose record waits for their return.

#include <opensnoop/emit.h>
#include <opensnoop/maps.h>

// Room for a name beside a pending call. Longer names have a map of their own.
#define SHORT_NAME 128

// A call while it is being recorded.
struct call {
	u64 address; // of the name in the process
	u64 sp;      // the process's stack pointer, of an interrupted call
	u64 nr;      // the system call, or NR_ANY
	struct record record;
};

// What is kept of it. The record is as user space can give it out, its time the
// entry's, but for a name of more than SHORT_NAME bytes. internal/trace/pending.go has
// the same layout.
struct pending_call {
	char head[offsetof(struct call, record)];
	char record[FIXED_SIZE + SHORT_NAME];
};

// What an interrupted call is found by. No pid_tgid has this bit.
#define INTERRUPTED_ID(id) ((id) | 1ULL << 62)

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

	return !in || !out || *in == *out;
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

// copy_pending copies a pending call, less a long name.
static __always_inline void copy_pending(struct call *c, struct pending_call *from)
{
	__builtin_memcpy(c, from, sizeof(*from));
}

// drop_pending takes out a pending call; false if user space has been faster. Only one
// taker gets it: user space, which gives out calls that grew old, does the same.
static __always_inline bool drop_pending(u64 id)
{
	if (delete_pending(&id))
		return false;
	count_pending(id, -1);
	return true;
}

// make_pending puts a call with its record into the map; false if there is no room.
static __always_inline bool make_pending(struct call *c, u64 id)
{
	struct record *r = &c->record;
	bool is_long = r->name_len > SHORT_NAME;

	r->time = bpf_ktime_get_ns();
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

// move_pending takes a pending call, which c is a copy of, out and puts it in by another
// id. False if it is out, but not in.
static __always_inline bool move_pending(struct call *c, u64 from, u64 to)
{
	bool is_long = c->record.name_len > SHORT_NAME;

	if (!drop_pending(from))
		return true;
	if (is_long) {
		char *name = find_long_name(&from);

		if (!name || put_long_name(&to, name))
			return false;
	}
	if (put_pending(&to, c)) {
		if (is_long)
			delete_long_name(&to);
		return false;
	}
	if (is_long)
		delete_long_name(&from);
	count_pending(to, 1);
	return true;
}

// forget_name frees the name of a call that drop_pending took out.
static __always_inline void forget_name(struct record *r, u64 id)
{
	if (r->name_len > SHORT_NAME)
		delete_long_name(&id);
}

// submit_kept sends the record of a call that drop_pending took out, with the name that
// was kept.
static __always_inline void submit_kept(void *ctx, struct call *c, u64 id)
{
	struct record *r = &c->record;
	u32 len = r->name_len & (PATH_MAX - 1);

	if (r->name_kind == NAME_UNSEEN && !record_wanted(r))
		return;
#if FIELDS & FIELD_RESULT
	if (len > SHORT_NAME) {
		char *name = find_long_name(&id);

		// There is none if the name has been read only now.
		if (name)
			bpf_probe_read_kernel(r->name, len, name);
		delete_long_name(&id);
	}
#endif
	submit(ctx, r, len);
}

#endif
