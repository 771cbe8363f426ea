// SPDX-License-Identifier: GPL-2.0-only

// Calls of which nothing is out of the ordinary: their record is made in their cell, and sent from there.

#include <opensnoop/cells.h>
#include <opensnoop/emit.h>
#include <opensnoop/interrupted.h>
#include <opensnoop/names.h>

// Absolute paths are walked, and names looked at, in more memory than a cell has.
#define IN_PLACE (HAS_CELLS && !HOLDS(FIELD_PATH) && !BY_NAME)

// enter_in_place is trace_enter of such a call; false if it is none, and nothing is done.
static __always_inline bool enter_in_place(u64 id, struct open_args *args)
{
	struct call *c;
	struct record *r;
	long n;

	// What the map has may be a call of this thread that was interrupted, or whose end was not seen.
	if (!IN_PLACE || args->by_handle || !none_counted())
		return false;
	c = claim_cell(id);
	if (!c)
		return false;
	r = &c->record;
	if (names_later()) {
		set_address(r, NAME_UNSEEN, args->name);
	} else {
		n = bpf_probe_read_user_str(r->name, SHORT_NAME, (void *)args->name);
		if (n < 0 || n >= SHORT_NAME) {
			set_cell(c, CELL_FREE);
			return false;
		}
		set_name(r, n);
	}
	fill(r, id, args);
	c->address = args->name;
	c->nr = call_nr(args);
	r->time = 0; // its entry's is not needed, and the clock costs 50 instructions
	if (HOLDS(FIELD_TOOK))
		set_began(r, -(s64)bpf_ktime_get_ns());
	set_cell(c, id);
	return true;
}

// return_in_place is trace_return of such a call; false if it is none, and nothing is done.
static __always_inline bool return_in_place(void *ctx, u64 id, struct pt_regs *regs, s64 result)
{
	if (!IN_PLACE)
		return false;

	struct call *c = find_cell(id);
	struct record *r;

	if (!c)
		return false;
	r = &c->record;
	if (r->name_kind != NAME_READ || r->name_len >= SHORT_NAME || r->fields & FLAGS_UNREAD ||
	    r->kind == EXECUTED || exit_kind_of(c, regs, result) != EXIT_FINAL || !move_cell(c, id, CELL_BUSY))
		return false;
	check_name(c, SHORT_NAME);
	if (set_result(r, result))
		submit_sized(ctx, r, r->name_len & (SHORT_NAME - 1));
	set_cell(c, CELL_FREE);
	return true;
}
