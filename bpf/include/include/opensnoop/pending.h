// SPDX-License-Identifier: GPL-2.0-only

// Pending calls: those whose record waits for their return.

#include <opensnoop/call.h>
#include <opensnoop/cells.h>
#include <opensnoop/emit.h>
#include <opensnoop/maps.h>
#include <opensnoop/names.h>
#include <opensnoop/walk.h>

// count_pending counts what is rare among the calls of the map, so that nobody has to look
// for it who knows that there is none: any call, or with results and no cells an interrupted one.
static __always_inline void count_pending(u64 id, s64 n)
{
	if (!HOLDS(FIELD_RESULT) || HAS_CELLS || id == INTERRUPTED_ID(id))
		add(PENDING_IN, n);
}

static __always_inline bool none_counted(void)
{
	return slot_read(PENDING_IN) == slot_read(PENDING_RECLAIMED);
}

// none_pending reports whether it is certain, without a look-up, that no call is pending.
static __always_inline bool none_pending(void)
{
	return !HOLDS(FIELD_RESULT) && none_counted();
}

// Where a long name is goes by its length. Putting takes a place that is free.
static __always_inline char *find_long_name(u64 *id, u32 len)
{
	return len <= LONG_NAME ? (char *)long_names.lookup(id) : (char *)longest_names.lookup(id);
}

static __always_inline long put_long_name(u64 *id, char *name, u32 len)
{
	if (len <= LONG_NAME)
		return long_names.insert(id, (struct long_name *)name);
	return longest_names.insert(id, (struct longest_name *)name);
}

static __always_inline long delete_long_name(u64 *id, u32 len)
{
	return len <= LONG_NAME ? long_names.delete(id) : longest_names.delete(id);
}

static __always_inline void count_name(int holder, s64 n)
{
	u64 *put = names_put_in.lookup(&holder);

	if (put)
		__sync_fetch_and_add(put, n);
}

// keep_name puts a call's long name beside the map; false if there is no room, or the user has too
// many there.
static __always_inline bool keep_name(struct call *c, u64 id, u32 len)
{
	if (!HAS_LONG_NAMES)
		return false;

	// Where those of the current user are counted.
	int holder = ((u32)bpf_get_current_uid_gid() & (HOLDERS - 1)) + (len > LONG_NAME ? HOLDERS : 0);
	u64 *put = names_put_in.lookup(&holder), *taken = names_taken_out.lookup(&holder);

	c->nr = (c->nr & ((1ULL << HOLDER_SHIFT) - 1)) | (u64)holder << HOLDER_SHIFT;
	if (!put || !taken ||
	    *put - *taken >= (len > LONG_NAME ? LONGEST_NAMES : LONG_NAMES) / 2 ||
	    put_long_name(&id, c->record.name, len))
		return false; // there is one, or no room
	count_name(holder, 1);
	return true;
}

static __always_inline void drop_name(struct call *c, u64 id, u32 len)
{
	if (HAS_LONG_NAMES && !delete_long_name(&id, len))
		count_name(c->nr >> HOLDER_SHIFT, -1);
}

// restore_long_name puts the strings of a call that was taken out of the map beside into its record.
static __always_inline void restore_long_name(struct call *c, u64 id)
{
	struct record *r = &c->record;
	u32 len = strings_size(r);

	if (!HAS_LONG_NAMES || len <= SHORT_NAME)
		return;

	char *name = find_long_name(&id, len);

	if (!name || bpf_probe_read_kernel(r->name, len, name)) {
		clear_paths(r);
		set_address(r, NAME_UNSEEN, c->address);
	}
	drop_name(c, id, len);
}

// find is where the call of this id is pending; NULL if it is not. To take it out, its cell is made busy.
static __always_inline struct call *find(u64 id, bool take)
{
	struct call *found = HAS_CELLS ? find_cell(id) : NULL;

	if (HAS_CELLS && take && found && !move_cell(found, id, CELL_BUSY))
		found = NULL;
	if (!HAS_CELLS || (!found && !none_counted()))
		found = (struct call *)pending.lookup(&id);
	barrier_var(found); // or there are two copies of what follows
	return found;
}

static __always_inline struct call *find_call(u64 id)
{
	return find(id, false);
}

// copy_kept copies what is kept of a call.
static __always_inline void copy_kept(struct call *to, struct call *from)
{
	// The compiler copies 1,024 bytes at most.
	if (sizeof(struct pending_call) <= 1024)
		__builtin_memcpy(to, from, sizeof(struct pending_call));
	else
		bpf_probe_read_kernel(to, sizeof(struct pending_call), from);
}

// take_pending takes a call out; false if it is not pending. Only one taker gets it: user space, which
// gives out calls whose end will not be seen, does the same.
static __always_inline bool take_pending(struct call *c, u64 id)
{
	struct call *kept = find(id, true);

	if (!kept)
		return false;
	copy_kept(c, kept);
	if (HAS_CELLS && c->id == CELL_BUSY) {
		c->id = id;
		set_cell(kept, CELL_FREE);
	} else {
		if (pending.delete(&id))
			return false;
		count_pending(id, -1);
	}
	restore_long_name(c, id);
	return true;
}

// put_in puts a call where it is pending; false if there is no room.
static __always_inline bool put_in(struct call *c, u64 id)
{
	struct call *cell = HAS_CELLS && !(id >> 61) ? claim_cell(id) : NULL;

	if (HAS_CELLS && cell) {
		c->id = CELL_BUSY;
		copy_kept(cell, c);
		set_cell(cell, id);
		return true;
	}
	// Counted first: who finds none counted does not look.
	count_pending(id, 1);
	if (!pending.update(&id, (struct pending_call *)c))
		return true;
	count_pending(id, -1);
	return false;
}

// make_pending makes a call pending. False if there is no room: its record is to be sent without what is
// missing rather than not at all, unless it takes the result to say whether it is wanted.
static __always_inline bool make_pending(struct call *c, u64 id)
{
	struct record *r = &c->record;
	u32 len = strings_size(r);
	bool is_long = len > SHORT_NAME, named;

	r->time = bpf_ktime_get_ns();
	if (!began(r))
		set_began(r, -(s64)r->time);
	named = !is_long || keep_name(c, id, len);
	if (named && put_in(c, id))
		return true;
	if (named && is_long)
		drop_name(c, id, len);
	if (result_wanted(RESULT_UNKNOWN)) {
		add(named ? UNFINISHED_PENDING : UNFINISHED_NAME, 1);
		return false;
	}
	add(named ? LOST_PENDING : LOST_NAME, 1);
	return true;
}

// is_shared reports whether other threads may have changed what a name is relative to.
static __always_inline bool is_shared(struct record *r)
{
	return HOLDS(FIELD_PATH) && r->path->base.state & WALK_SHARED;
}

// known reports whether nothing is left to wait for of a record, but for what it is relative to.
static __always_inline bool known(struct record *r)
{
	return !HOLDS(FIELD_RESULT) && r->name_kind != NAME_UNSEEN && !(HOLDS(FIELD_FLAGS) && r->fields & FLAGS_UNREAD);
}

// entered sends the record of a call, or of a request, at its entry if it is complete, or else
// makes it pending.
static __always_inline void entered(void *ctx, struct call *c)
{
	struct record *r = &c->record;

	// Without results, the end of a request is not seen.
	if (!known(r) || (is_shared(r) && !(c->id >> 63))) {
		if (PROBE_KPROBE && !HOLDS(FIELD_RESULT) && is_shared(r))
			note(RETURN_WANTED, 1);
		if (make_pending(c, c->id))
			return;
	}
	submit(ctx, r);
}

// entered_unwalked is the same of a call of which nothing was walked.
static __always_inline void entered_unwalked(void *ctx, struct call *c)
{
	struct record *r = &c->record;

	if (known(r) || !make_pending(c, c->id))
		submit_sized(ctx, r, r->name_len & (STRINGS_MAX - 1));
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

// count_hidden counts a call whose end was not seen, if it takes the result to say whether it is
// wanted. Another tracer that attaches to the same function by a trampoline hides the ends of calls
// that are under way.
static __always_inline void count_hidden(u64 id)
{
	if (PROBE_FENTRY && !(id >> 63) && !result_wanted(RESULT_UNKNOWN))
		add(LOST_END, 1);
}

// keep_apart is for a call that does not become pending: its end is not that of an earlier call of the
// thread, whose own was not seen.
static __always_inline void keep_apart(u64 id)
{
	struct call *c = HOLDS(FIELD_RESULT) ? find_call(id) : NULL;

	if (c)
		c->nr = NR_OTHER;
}

// finish_stale_pending ends the call that had this id before, if it is still pending: its end was not
// seen. Not every request of io_uring has one (IOSQE_CQE_SKIP_SUCCESS), and its memory is
// used again.
static __always_inline void finish_stale_pending(void *ctx, struct call *c, u64 id)
{
	char byte;

	if (none_pending() || !take_pending(c, id))
		return;
	// It has ended before the kernel had a copy of its name that it opens: it could not read
	// that, if it cannot be read now.
	if (!PROBE_TRACEPOINT && !HOLDS(FIELD_RESULT) && c->record.name_kind == NAME_UNSEEN &&
	    bpf_probe_read_user(&byte, sizeof(byte), (void *)c->address))
		c->record.name_kind = NAME_BAD;
	count_hidden(id);
	end_call(ctx, c, RESULT_UNKNOWN);
}
