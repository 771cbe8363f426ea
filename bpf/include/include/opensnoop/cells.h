// SPDX-License-Identifier: GPL-2.0-only

// Cells: where the calls of threads are pending, each at the place of its thread. The record is made
// there, and sent from there. internal/trace/cells.go takes out those whose end will not be seen.

#include <opensnoop/call.h>
#include <opensnoop/maps.h>

// cell_of is the cell of a thread, by its pid_tgid.
static __always_inline struct call *cell_of(u64 id)
{
	return (struct call *)&((struct slots *)map_value())->cells[id & (CELLS - 1)];
}

// set_cell sets whose call a cell has. The caller has made the cell busy.
static __always_inline void set_cell(struct call *cell, u64 id)
{
	*(volatile u64 *)&cell->id = id;
}

// move_cell sets it if it is still from; false if it is not.
static __always_inline bool move_cell(struct call *cell, u64 from, u64 to)
{
	return __sync_val_compare_and_swap(&cell->id, from, to) == from;
}

// find_cell is the cell with the call of this id; NULL if there is none.
static __always_inline struct call *find_cell(u64 id)
{
	struct call *cell = cell_of(id);

	if (*(volatile u64 *)&cell->id != id)
		cell = NULL;
	barrier_var(cell); // or what follows compares the ids again, which tells the verifier nothing
	return cell;
}

// claim_cell is the thread's cell, to make a call in it; NULL if one is there.
static __always_inline struct call *claim_cell(u64 id)
{
	struct call *cell = cell_of(id);

	return move_cell(cell, CELL_FREE, CELL_BUSY) ? cell : NULL;
}
