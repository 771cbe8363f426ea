// SPDX-License-Identifier: GPL-2.0-only

// The way from a folder up to the tracer's root.
//
// The kernel may rename folders while we walk. It has sequence counts for that: rename_lock for the name
// and the parent of any dentry, mount_lock for all mounts, and d_seq in each dentry for that one. A walk
// reads the first two at its start, if their addresses are known, and compares them at its end: if
// neither has changed, all that it read was true at one moment. Otherwise it walks again, up to TRIES
// times, and compares the d_seq of each dentry that it passes: other renames do not disturb that.
//
// Most walks take the short way (climb): nothing has changed, names are short, and the tracer and the
// process have the root of one mount. All others look at more in each step (walk_up).
//
// A program of its own walks a few steps and runs itself again, by a tail call, until it is
// at the end: the verifier looks at those few steps only, and looking is time of the start.

#include <opensnoop/shared.h>
#include <opensnoop/steps.h>

#define TRIES 4

// recheck_seqs compares some of what the walk has noted; true if there is more.
static __always_inline bool recheck_seqs(struct walk *w)
{
	u64 n = w->seen_again, count = w->seen_count;
	struct seen *seen = &w->seen[n & (SEEN_MAX - 1)];

	if (n >= count)
		return false;
	w->seen_again = n + STEPS_AGAIN;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < STEPS_AGAIN; i++, n++, seen++) {
		u32 copy;

		if (n >= count)
			return false;
		if (*(volatile u32 *)view(seen->at, 0, &copy, sizeof(copy)) != seen->value) {
			w->changed = true;
			return false;
		}
	}
	return n < count;
}

// keep puts what a walk came to into the record.
static __always_inline void keep(struct record *r, struct walk *w)
{
	struct walked *to;

	if (BY_TOP && w->from == FROM_BASE)
		w->base_last = w->last;
	to = w->from == FROM_BASE ? &r->path->base : &r->path->root;
	if (HOLDS(FIELD_EXE) && w->from == FROM_EXE)
		to = r->exe;
	if (HOLDS(FIELD_FILE) && w->from == FROM_FILE)
		to = &r->file->real;
	to->len = w->end - w->start;
	to->state = w->state;
}

// next_origin goes on to the next walk; false if there is none.
static __always_inline bool next_origin(struct walk *w)
{
	u8 next = w->next;

	if (!next)
		return false;
	w->from = next & -next;
	w->next = next & (next - 1);
	w->start = w->end;
	w->tries = 0;
	w->starts = STARTS;
	return true;
}

// finish ends a walk; true if it is to be walked again, or another one follows.
static __always_inline bool finish(struct record *r, struct walk *w)
{
	bool deleted = w->first && !member(w->first, DENTRY_PPREV); // it is in no list of the folder that it was in

	if (LOCKS && !(w->care & BY_DENTRY) && count_at(slot_read(RENAME_LOCK)) + count_at(slot_read(MOUNT_LOCK)) != w->changes)
		w->changed = true;
	if (w->changed) {
		w->starts = STARTS;
		if (w->tries++ < TRIES)
			return true;
		w->end = w->start;
		w->state |= WALK_CHANGED;
	} else if (deleted) {
		w->state |= WALK_DELETED;
	}
	keep(r, w);
	return next_origin(w);
}

// read_top reads what is the same for all walks of a tracer.
static __always_inline void read_top(struct walk *w)
{
	u64 mnt = slot_read(TOP_MNT);

	if (w->top.mnt == mnt)
		return;
	w->top.mnt = mnt;
	w->top.dentry = slot_read(TOP_DENTRY);
	w->top_on.parent = 0;
	w->top_on.mountpoint = slot_read(TOP_MOUNTPOINT);
	w->top_on.root = slot_read(TOP_ROOT);
}

// root_state is that of a walk from the process's root, where it is the tracer's.
static __always_inline u16 root_state(struct walk *w)
{
	return SHARED_ROOTS && w->shared.fs_seq ? WALK_SHARED : 0;
}

// choose finds out from where to walk at the entry of a call; false if the name says it all.
static __always_inline bool choose(struct record *r, struct walk *w)
{
	u8 next = 0;

	read_top(w);
	w->end = r->name_len;
	if (r->name_kind == NAME_UNSEEN)
		next = FROM_BASE | FROM_ROOT;
	else if (r->name_kind == NAME_READ)
		next = r->name[0] == '/' && !name_in_root(r) ? FROM_ROOT : FROM_BASE;
	if (w->root.mnt == w->top.mnt && w->root.dentry == w->top.dentry) {
		r->path->root.state = root_state(w);
		next &= ~FROM_ROOT;
	}
	if (HOLDS(FIELD_EXE))
		next |= FROM_EXE;
	barrier_var(next);
	w->next = next;
	return next_origin(w);
}

// continue_walk runs the program that walks on, for the program whose memory this is. It
// returns only if there is none, or too many have run.
static __always_inline void continue_walk(void *ctx, enum scratch which)
{
	switch (which) {
	case SCRATCH_SUBMIT: uring_walks.call(ctx, 0); break;
	case SCRATCH_RETURN: file_walks.call(ctx, 0); break;
	case SCRATCH_EXEC: exec_walks.call(ctx, 0); break;
	default: walks.call(ctx, 0);
	}
}

// walk_on makes some steps. It returns when there are none left.
static __always_inline void walk_on(void *ctx, struct call *c, enum scratch which)
{
	struct record *r = &c->record;
	struct walk *w = c->walk;

	if (w->starts) {
		if (w->starts != STARTS_NOTED)
			read_folders(w);
		if (w->starts != STARTS && !choose(r, w))
			return;
		w->starts = STARTS_NOT;
		start(r, w);
	}
	if (!w->ended && go_up(r, w))
		cross_boundary(r, w);
	if (!w->changed && (!w->ended || recheck_seqs(w))) {
		continue_walk(ctx, which);
		stop(w, w->tries ? WALK_CHANGED : WALK_MORE); // too many runs
	}
	if (finish(r, w)) {
		continue_walk(ctx, which);
		w->end = w->start;
		w->state = w->tries ? WALK_CHANGED : WALK_MORE;
		keep(r, w);
	}
}

static __always_inline bool top_wanted(const char *top)
{
	return TOPS;
}

// folder_wanted reports whether a name that was walked may be wanted, by the topmost folder of
// its path.
static __always_inline bool folder_wanted(struct call *c)
{
	struct record *r = &c->record;
	struct walk *w = c->walk;

	// Not where another folder may be the topmost one, or none was walked.
	if (!BY_TOP || r->name_kind != NAME_READ || !r->path->base.len || r->path->base.state & ~WALK_IN_ROOT ||
	    r->name[0] == '.')
		return true;
	return top_wanted(r->name + (w->base_last & (STRINGS_MAX - 1)));
}

// finish_walk walks on for the call in a program's memory, and returns it at the end of its walks; NULL if
// that drops it, for its folder.
static __always_inline struct call *finish_walk(void *ctx, enum scratch which)
{
	struct call *c = scratch_call(which);

	if (!c)
		return NULL;
	walk_on(ctx, c, which);
	if (BY_TOP)
		c->dropped = !folder_wanted(c);
	return BY_TOP && c->dropped ? NULL : c;
}

// walk_file has another program go on, which adds to the record of a call that has ended what
// file it opened. It returns if there is none, or that cannot be had.
static __always_inline void walk_file(void *ctx, struct call *c, enum scratch which)
{
	struct walk *w = c->walk;

	if (*c->record.result < 0 || c->record.kind != OPENED)
		return;
	read_top(w);
	w->end = strings_size(&c->record);
	w->next = FROM_FILE;
	next_origin(w);
	continue_walk(ctx, which);
}

// needs_walk reports whether something is to be walked for a call. Mostly its name says it all.
static __always_inline bool needs_walk(struct call *c)
{
	struct record *r = &c->record;
	u64 *fs;

	if (HOLDS(FIELD_EXE) || !HOLDS(FIELD_PATH))
		return HOLDS(FIELD_EXE);
	fs = task_fs();
	if (r->name_kind == NAME_READ && r->name[0] == '/' && r->path->base.state == WALK_NONE && !in_chroot(fs)) {
		r->path->root.state = 0;
		if (HOLDS(FIELD_RESULT)) {
			read_folders(c->walk);
			r->path->root.state = root_state(c->walk);
			*c->shared = c->walk->shared;
		}
		return false;
	}
	if (TASK_REGS)
		set_folders(c->walk, (u64)fs, fs);
	return true;
}

// walk has another program go on, which adds to the record of a call what its name is
// relative to. It returns if that cannot be had.
static __always_inline void walk(void *ctx, struct call *c, enum scratch which)
{
	if (!HOLDS(FIELD_PATH))
		return;
	// At the entry of a call needs_walk has noted the folders.
	c->walk->starts = TASK_REGS && !HOLDS(FIELD_EXE) && which == SCRATCH_ENTER ? STARTS_NOTED : STARTS_CHOOSING;
	continue_walk(ctx, which);
}
