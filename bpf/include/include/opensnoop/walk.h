// SPDX-License-Identifier: GPL-2.0-only

// The way from a folder up to the tracer's root.
//
// The kernel may rename folders while we walk. It has sequence counts for that: rename_lock for the name
// and the parent of any dentry, mount_lock for all mounts, and d_seq in each dentry for that one. A walk
// reads the first two at its start, if their addresses are known, and compares them at its end: if
// neither has changed, all that it read was true at one moment. Otherwise it walks again, up to TRIES
// times, and compares the d_seq of each dentry that it passes: other renames do not disturb that.
//
// A program of its own walks a few steps and runs itself again, by a tail call, until it is
// at the end: the verifier looks at those few steps only, and looking is time of the start.

#include <opensnoop/origin.h>

// How many steps one run makes. The kernel allows 33 runs (MAX_TAIL_CALL_CNT).
#define STEPS 10

#define TRIES 4

// at_top reports whether the walk is at the tracer's root. In another mount namespace the
// mount is another one, which shows the same folders at the same place; or the tracer is in a
// chroot, and its root is no mount's.
static __always_inline bool at_top(struct walk *w)
{
	u64 at = w->at.dentry;

	return at == w->top.dentry &&
	       (w->at.mnt == w->top.mnt || w->on.mountpoint == w->top_on.mountpoint ||
		(at != w->on.root && at != w->top_on.root));
}

// end_namespace ends a walk at the top of a mount namespace that is not the tracer's root.
static __always_inline bool end_namespace(struct walk *w)
{
	u64 ns = member(w->at.mnt - MOUNT_MNT, MOUNT_NS);
	u64 own = member(task_member(TASK_NSPROXY), NSPROXY_MNT_NS);

	// A mount that nothing shows is in no namespace, or in one without processes.
	return stop(w, ns != own || ns == slot_read(TOP_NS) ? WALK_UNREACHABLE : 0);
}

// leave_mount goes from the root of a mount to the folder that it is mounted on; false if that is none,
// or was not read.
static __always_inline bool leave_mount(struct walk *w)
{
	u64 mount = w->at.mnt - MOUNT_MNT, parent = w->on.parent;

	if (!parent || parent == mount)
		return false;
	w->at.dentry = w->on.mountpoint;
	if (w->by_dentry)
		remember_seq(w, mount + MOUNT_MOUNTPOINT, w->at.dentry);
	w->at.mnt = parent + MOUNT_MNT;
	look_at_mount(w, parent + MOUNT_MNT);
	return true;
}

// end_at ends a walk at a folder that it does not go through: whether that is deleted does not matter.
static __always_inline bool end_at(struct walk *w, u64 at, u32 state)
{
	if (at == w->first)
		w->first = 0;
	return stop(w, state);
}

// cross_boundary handles the tracer's root, the process's root, and roots of mounts. At any other folder
// there is nothing to do, and the next step reads it.
static __always_inline void cross_boundary(struct record *r, struct walk *w)
{
	w->passed = true;
	if (at_top(w)) {
		end_at(w, w->at.dentry, 0);
		return;
	}
	if (w->at.dentry == w->root.dentry && w->at.mnt == w->root.mnt) {
		if (w->end >= w->limit) {
			stop(w, WALK_MORE);
			return;
		}
		r->name[w->end & (STRINGS_MAX - 1)] = 0;
		w->end++;
	}
	if (w->at.dentry == w->on.root) {
		w->passed = false;
		if (!w->on.parent) { // of the tracer's root
			w->on.parent = member(w->at.mnt - MOUNT_MNT, MOUNT_PARENT);
			w->on.mountpoint = member(w->at.mnt - MOUNT_MNT, MOUNT_MOUNTPOINT);
		}
		if (!leave_mount(w))
			end_namespace(w);
	}
}

// step goes to the folder above one; false if the walk has ended, or what it reads is changing.
static __always_inline bool step(struct record *r, struct walk *w, u64 *at)
{
	u64 copy[DENTRY_WORDS], parent;
	volatile void *dentry = view_dentry(*at, copy);

	if (VOLATILE(w->by_dentry))
		remember_seq(w, *at + DENTRY_SEQ, *(volatile u32 *)(dentry + DENTRY_SEQ) & ~1);
	parent = *(volatile u64 *)(dentry + DENTRY_PARENT);
	if (unlikely(parent == *at)) {
		if (parent)
			return end_at(w, parent, WALK_ESCAPED);
		w->changed = true; // the folder below could not be read
		return false;
	}
	*at = parent;
	return append(r, w, dentry);
}

// at_boundary reports whether a folder is the tracer's root or the process's.
static __always_inline bool at_boundary(struct walk *w, u64 at)
{
	if (at == w->top.dentry)
		return true;
	barrier_var(at);
	return at == w->root.dentry;
}

// walk_up goes up some folders; true if it comes to where there is more to do.
static __always_inline bool walk_up(struct record *r, struct walk *w)
{
	u64 at = w->at.dentry;

	if (w->seen_count >= SEEN_MAX - STEPS)
		return stop(w, WALK_MORE);
	if (!w->passed && at_boundary(w, at))
		return true;
	w->passed = false;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < STEPS; i++) {
		if (at == w->on.root) {
			w->at.dentry = at;
			if (at == w->top.dentry || w->by_dentry || !leave_mount(w))
				return true;
			at = w->at.dentry;
		} else if (!step(r, w, &at)) {
			return false;
		}
		if (!VOLATILE(w->plain) && at_boundary(w, at)) {
			w->at.dentry = at;
			return true;
		}
	}
	w->at.dentry = at;
	return false;
}

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

	switch (w->from) {
	case FROM_BASE:
		w->base_last = w->last;
		to = &r->path->base;
		break;
	case FROM_ROOT: to = &r->path->root; break;
	case FROM_EXE: to = r->exe; break;
	default: to = &r->file->real;
	}
	to->len = w->end - w->start;
	to->state = w->state;
}

// next_origin goes on to the next walk; false if there is none.
static __always_inline bool next_origin(struct walk *w)
{
	w->start = w->end;
	w->tries = 0;
	w->starts = true;
#pragma unroll
	for (int from = FROM_EXE; from <= FROM_FILE; from++)
		if (w->next & 1 << from) {
			w->next &= ~(1 << from);
			w->from = from;
			return true;
		}
	return false;
}

// finish ends a walk; true if it is to be walked again, or another one follows.
static __always_inline bool finish(struct record *r, struct walk *w)
{
	if (!w->by_dentry && (count_of(RENAME_LOCK) != w->renames || count_of(MOUNT_LOCK) != w->mounts))
		w->changed = true;
	if (w->changed) {
		w->starts = true;
		if (w->tries++ < TRIES)
			return true;
		w->end = w->start;
		w->state |= WALK_CHANGED;
	} else if (w->first && !member(w->first, DENTRY_PPREV)) {
		w->state |= WALK_DELETED; // it is in no list of the folder that it was in
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

	w->chosen = true;
	read_top(w);
	w->end = r->name_len;
	if (r->name_kind == NAME_UNSEEN)
		next = 1 << FROM_BASE | 1 << FROM_ROOT;
	else if (r->name_kind == NAME_READ)
		next = r->name[0] == '/' && !name_in_root(r) ? 1 << FROM_ROOT : 1 << FROM_BASE;
	if (w->root.mnt == w->top.mnt && w->root.dentry == w->top.dentry) {
		r->path->root.state = root_state(w);
		next &= ~(1 << FROM_ROOT);
	}
	if (HOLDS(FIELD_EXE))
		next |= 1 << FROM_EXE;
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
		if (!w->noted)
			read_folders(w);
		w->noted = false;
		if (!w->chosen && !choose(r, w))
			return;
		w->starts = false;
		start(r, w);
	}
	if (!w->ended && walk_up(r, w))
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
	c->dropped = !folder_wanted(c);
	return c->dropped ? NULL : c;
}

// walk_file has another program go on, which adds to the record of a call that has ended what
// file it opened. It returns if there is none, or that cannot be had.
static __always_inline void walk_file(void *ctx, struct call *c, enum scratch which)
{
	struct walk *w = c->walk;

	if (*c->record.result < 0 || c->record.kind != OPENED)
		return;
	read_top(w);
	w->chosen = true;
	w->end = strings_size(&c->record);
	w->next = 1 << FROM_FILE;
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
	if (r->name_kind == NAME_READ && r->name[0] == '/' && !name_in_root(r) && !in_chroot(fs)) {
		r->path->root.state = 0;
		if (HOLDS(FIELD_RESULT)) {
			read_folders(c->walk);
			r->path->root.state = root_state(c->walk);
			*c->shared = c->walk->shared;
		}
		return false;
	}
	if (TASK_REGS) {
		set_folders(c->walk, (u64)fs, fs);
		c->walk->noted = true;
	}
	return true;
}

// walk has another program go on, which adds to the record of a call what its name is
// relative to. It returns if that cannot be had.
static __always_inline void walk(void *ctx, struct call *c, enum scratch which)
{
	if (!HOLDS(FIELD_PATH))
		return;
	c->walk->chosen = false;
	c->walk->starts = true;
	continue_walk(ctx, which);
}
