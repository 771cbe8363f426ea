// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_EMIT_H
#define _OPENSNOOP_EMIT_H

// Filling records and giving them out.

#include <opensnoop/filter.h>
#include <opensnoop/maps.h>
#include <opensnoop/record.h>
#include <opensnoop/syscall.h>

// set_flags sets a record's part of flags.
static __always_inline void set_flags(struct record *r, struct open_args *args)
{
#if FIELDS & FIELD_FLAGS
	r->flags = args->flags;
	r->mode = args->mode;
	if (args->flags_read)
		r->fields &= ~UNREAD(FIELD_FLAGS);
	else
		r->fields |= UNREAD(FIELD_FLAGS);
#endif
}

// fill sets what is known of a record at the entry of its call, but the name.
static __always_inline void fill(struct record *r, u64 id, struct open_args *args)
{
	u64 local = local_id(id);

	if (local)
		id = local;
	r->tgid = id >> 32;
	r->tid = id;
	r->fields = FIELDS;
	bpf_get_current_comm(r->comm, sizeof(r->comm));
#if FIELDS & FIELD_UID
	r->uid = bpf_get_current_uid_gid();
#endif
#if FIELDS & FIELD_RESULT
	r->result = RESULT_UNKNOWN;
#endif
#if FIELDS & FIELD_PPID
	u64 parent = member(bpf_get_current_task(), TASK_REAL_PARENT);

	r->ppid = member(parent, TASK_TGID);
#endif
	set_flags(r, args);
}

// submit sends a record with len bytes of its name.
static __always_inline void submit(void *ctx, struct record *r, u32 len)
{
	r->name_len = len;
	r->time = bpf_ktime_get_ns();
	// The ring's own count of lost records reaches the reader only with the
	// next record that fits; this one is right at any time.
	if (output(ctx, r, FIXED_SIZE + (len & (PATH_MAX - 1))))
		add(LOST_BUFFER, 1);
}

// submit_named sends a record by the result n of reading its name into it, which
// counts the NUL; for an empty name of a program it is 0 before Linux 6.10. If it is
// negative, the address takes the name's place, and kind says why.
static __always_inline void submit_named(void *ctx, struct record *r, long n, enum name_kind kind,
					 u64 address)
{
	if (n >= 0) {
		if (!name_wanted(r->name))
			return;
		kind = NAME_READ;
		n = n ? n - 1 : 0;
	} else {
#ifdef NAMES
		return;
#endif
		n = sizeof(address);
		__builtin_memcpy(r->name, &address, sizeof(address));
	}
	r->name_kind = kind;
	submit(ctx, r, n);
}

#endif
