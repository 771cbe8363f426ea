// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_NAMES_H
#define _OPENSNOOP_NAMES_H

// Names, which other threads and whoever else has the memory may change between the entry of a call
// and the kernel's own copy of it.

#include <opensnoop/call.h>
#include <opensnoop/emit.h>
#include <opensnoop/maps.h>

// is_same reports whether two names are the same: one of len bytes, of which there are room, and one
// that was read with the result n. room is known to the compiler.
static __always_inline bool is_same(const char *name, u32 len, u32 room, const char *other, long n)
{
	const u64 *a = (const u64 *)name, *b = (const u64 *)other;

	if (n < 0 || len != (n ? n - 1 : 0))
		return false;
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < room / sizeof(u64); i++) {
		u64 differ = a[i] ^ b[i];
		s32 rest = len - i * sizeof(u64);

		if (rest < (s32)sizeof(u64))
			return rest <= 0 || !(differ << (64 - 8 * rest));
		if (differ)
			return false;
	}
	return true;
}

// check_name compares the name of a call that ends with what is in the program's memory then, where
// the kernel's copy is not seen. What was changed and put back meanwhile is not noticed.
static __always_inline void check_name(struct call *c)
{
#ifdef PROBE_TRACEPOINT
	struct call *now = scratch_call(SCRATCH_INTERRUPTED);
	struct record *r = &c->record;
	long n;

	if (!now || r->name_kind != NAME_READ)
		return;
	n = bpf_probe_read_user_str(now->record.name, PATH_MAX, (void *)c->address);
	if (!is_same(r->name, r->name_len, PATH_MAX, now->record.name, n))
		r->name_kind = NAME_UNSURE;
#endif
}

// names_later reports whether names are left to be taken from the kernel's copy, by the program that
// sees it, where nothing is to be known of them before.
static __always_inline bool names_later(void)
{
#if defined(PROBE_KPROBE) && FIELDS & FIELD_RESULT && !(FIELDS & FIELD_PATH) && !defined(BY_NAME)
	u64 *hooked = slot(HOOKED);

	return !NO_SLOT(hooked) && *hooked & HOOKED_NAMED;
#else
	return false;
#endif
}

#endif
