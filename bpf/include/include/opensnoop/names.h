// SPDX-License-Identifier: GPL-2.0-only

// Names, which other threads and whoever else has the memory may change between the entry of a call
// and the kernel's own copy of it.

#include <linux/errno.h>
#include <opensnoop/call.h>
#include <opensnoop/emit.h>
#include <opensnoop/maps.h>

// How many bytes of a long name are compared without a branch between them: to the verifier, which
// follows all that a name has room for, branches are dear.
#define BLOCK 128

static __always_inline u64 word_at(const char *at)
{
	return *(const u64 *)at;
}

static __always_inline bool is_same_block(const char *a, const char *b)
{
	u64 differ = 0;

#pragma unroll
	for (u32 i = 0; i < BLOCK; i += sizeof(u64)) {
		differ |= word_at(a + i) ^ word_at(b + i);
		barrier_var(differ); // or the compiler runs out of registers
	}
	return !differ;
}

// is_same reports whether two names are the same: one of len bytes, of which there are room, and one
// that was read with the result n. room is known to the compiler. The last word, or block, of a name
// is the one that ends with it. It comes first, so that the verifier looks at it once.
static __always_inline bool is_same(const char *a, u32 len, u32 room, const char *b, long n)
{
	u64 last;

	if (n < 0 || len != (n ? n - 1 : 0))
		return false;
	if (len < sizeof(u64))
		return !((word_at(a) ^ word_at(b)) << 8 << (56 - 8 * len));
	if (len < BLOCK) {
		last = len - sizeof(u64);
		barrier_var(last);
		if (last > BLOCK - sizeof(u64) || word_at(a + last) != word_at(b + last))
			return false;
#pragma clang loop unroll(disable)
		for (u64 at = 0; at < BLOCK - sizeof(u64) && at < last; at += sizeof(u64))
			if (word_at(a + at) != word_at(b + at))
				return false;
		return true;
	}
	last = len - BLOCK;
	barrier_var(last);
	if (last > room - BLOCK)
		return false;

	u64 at = last, next = 0;

#pragma clang loop unroll(disable)
	for (;;) {
		if (!is_same_block(a + at, b + at))
			return false;
		if (next >= last || next >= room - BLOCK)
			return true;
		at = next;
		next += BLOCK;
	}
}

// check_name compares the name of a call that ends with what is in the program's memory then, where
// the kernel's copy is not seen. What was changed and put back meanwhile is not noticed. There is
// room for that name.
static __always_inline void check_name(struct call *c, u32 room)
{
	struct record *r = &c->record;

	// Without these, no call that is pending has a name.
	if (!PROBE_TRACEPOINT || !HOLDS(FIELD_RESULT | FIELD_PATH | FIELD_FLAGS) || r->name_kind != NAME_READ)
		return;

	struct call *now = scratch_call(SCRATCH_INTERRUPTED);

	if (!now)
		return;

	long n = bpf_probe_read_user_str(now->record.name, PATH_MAX, (void *)c->address);

	if (!is_same(r->name, r->name_len, room, now->record.name, n))
		r->name_kind = NAME_UNSURE;
}

// Whether names are taken from the kernel's copy, as nothing is to be known of them before.
#define NAMES_COPIED (!PROBE_TRACEPOINT && HOLDS(FIELD_RESULT) && !HOLDS(FIELD_PATH) && !BY_NAME)

// names_later reports whether names are left to be taken from there, by the program that sees it.
static __always_inline bool names_later(void)
{
	return NAMES_COPIED && slot_read(HOOKED) & HOOKED_NAMED;
}

// was_copied reports whether an open that ends so has come to the function that gets the kernel's copy
// of its name, which was read only now, with the result n >= 0. If its program has not seen that, the
// kernel has skipped it.
static __always_inline bool was_copied(s64 result, long n)
{
	switch (-result) {
	case ENOENT: return n > 1; // or the name is empty
	case E2BIG:
	case ENOMEM:
	case EFAULT:
	case EINVAL:
	case EMFILE:
	case ENAMETOOLONG: return false; // the kernel returns these before it
	}
	return true;
}
