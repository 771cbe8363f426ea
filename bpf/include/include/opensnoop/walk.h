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

#include <opensnoop/origin.h>

#define TRIES 4

// at_top reports whether the walk is at the tracer's root. In another mount namespace the
// mount is another one, which shows the same folders at the same place; or the tracer is in a
// chroot, and its root is no mount's.
static __always_inline bool at_top(struct walk *w)
{
	u64 at = w->at.dentry;

	return at == w->top.dentry &&
	       (w->at.mnt == w->top.mnt || mount_of(w)->mountpoint == w->top_on.mountpoint ||
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

// leave_mount goes from the root of a mount to the folder that it is mounted on, and sets that; false if it
// is none, or was not read.
static __always_inline bool leave_mount(struct walk *w, u64 *at)
{
	volatile struct mounted *on = mount_of(w);
	u64 parent = on->parent;

	if (!parent || parent == w->at.mnt - MOUNT_MNT)
		return false;
	*at = on->mountpoint;
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
	u64 mount;

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
		w->passed = !(w->care & CHROOTED);
		if (!BY_LOADS && !w->on.parent) { // of the tracer's root
			w->on.parent = member(w->at.mnt - MOUNT_MNT, MOUNT_PARENT);
			w->on.mountpoint = member(w->at.mnt - MOUNT_MNT, MOUNT_MOUNTPOINT);
		}
		mount = w->at.mnt - MOUNT_MNT;
		if (!leave_mount(w, &w->at.dentry))
			end_namespace(w);
		else
			remember_seq(w, mount + MOUNT_MOUNTPOINT, w->at.dentry, w->care & BY_DENTRY);
	}
}

// at_boundary reports whether a folder that is not passed is the tracer's root or the process's, by one
// branch. What it took for one that is none would only be looked at.
static __always_inline bool at_boundary(struct walk *w, u64 at)
{
	return !((at ^ w->top.dentry) * (at ^ w->root.dentry) | w->passed);
}

// copy_short puts a name of less than INLINE_NAME bytes behind the components, that of a dentry of which a
// view is there. It copies by words, also what is behind the name. It returns where the next one goes.
static __always_inline u64 copy_short(struct record *r, u64 end, volatile void *dentry, u64 len)
{
	volatile u64 *name = dentry + DENTRY_INAME;
	struct record *shifted = (void *)r + end;
	u64 *to;

	barrier_var(shifted); // or r->name is worked out beforehand, and has to be kept
	to = (u64 *)shifted->name;
	end = (end + len + 1) & (STRINGS_MAX - 1);
	barrier_var(end);
	to[0] = name[0];
	if (unlikely(len >= sizeof(u64))) {
		to[1] = name[1];
		to[2] = name[2];
		to[3] = name[3];
	}
	return end;
}

// climb goes up some folders where nothing is to be looked at in each step; false if it comes to the end, or
// to what is out of the ordinary.
static __always_inline bool climb(struct record *r, struct walk *w)
{
	u64 at = w->at.dentry, end = w->end & (STRINGS_MAX - 1), parent, len;
	volatile void *dentry;
	u64 i;

#pragma clang loop unroll(disable)
	for (i = 0; i < STEPS; i++) {
		if (at == w->on.root) {
			if (at == w->top.dentry || !leave_mount(w, &at))
				break;
			continue;
		}
		dentry = view_dentry(at, NULL);
		parent = *(volatile u64 *)(dentry + DENTRY_PARENT);
		len = *(volatile u32 *)(dentry + DENTRY_LEN);
		if (unlikely(parent == at))
			break;
		barrier_var(len);
		if (unlikely(len >= INLINE_NAME))
			break;
		if (BY_TOP)
			w->last = end;
		end = copy_short(r, end, dentry, len);
		at = parent;
	}
	w->at.dentry = at;
	w->end = end;
	return i == STEPS;
}

// walk_up is climb with care; true if it comes to the root of a mount, of the process or of the tracer.
static __always_inline bool walk_up(struct record *r, struct walk *w)
{
	u64 at = w->at.dentry, end = w->end & (STRINGS_MAX - 1), copy[DENTRY_WORDS], parent, len;
	volatile void *dentry;
	bool boundary = false;
	u32 care;

	if (w->seen_count >= SEEN_MAX - STEPS_WITH_CARE)
		return stop(w, WALK_MORE);
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < STEPS_WITH_CARE; i++) {
		if (at == w->on.root || at_boundary(w, at)) {
			boundary = true;
			break;
		}
		care = VOLATILE(w->care);
		w->passed = !(care & CHROOTED);
		dentry = view_dentry(at, copy);
		remember_seq(w, at + DENTRY_SEQ, *(volatile u32 *)(dentry + DENTRY_SEQ) & ~1, care & BY_DENTRY);
		parent = *(volatile u64 *)(dentry + DENTRY_PARENT);
		if (unlikely(parent == at)) {
			if (parent)
				end_at(w, parent, WALK_ESCAPED);
			else
				w->changed = true; // the folder below could not be read
			break;
		}
		if (BY_TOP)
			w->last = end;
		at = parent;
		len = *(volatile u32 *)(dentry + DENTRY_LEN);
		w->end = end;
		if (!has_room(w, end, len))
			return stop(w, WALK_MORE);
		if (len < INLINE_NAME) {
			end = copy_short(r, end, dentry, len);
			continue;
		}
		if (!append(r, w, dentry, len))
			return false;
		end = VOLATILE(w->end) & (STRINGS_MAX - 1);
	}
	w->at.dentry = at;
	w->end = end;
	return boundary;
}

// go_up makes the steps of one run. It returns what walk_up does.
static __always_inline bool go_up(struct record *r, struct walk *w, enum scratch which)
{
	// Not where it takes calls to read; and for opens through io_uring it takes too long to verify.
	if (BY_LOADS && which != SCRATCH_SUBMIT && !w->care && has_room(w, w->end, STEPS * INLINE_NAME)) {
		bool goes_on = climb(r, w);

		if (w->at.dentry == w->on.root)
			return true;
		if (goes_on)
			return false;
	}
	return walk_up(r, w);
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

	if (!(w->care & BY_DENTRY) && count_at(slot_read(RENAME_LOCK)) + count_at(slot_read(MOUNT_LOCK)) != w->changes)
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
	if (!w->ended && go_up(r, w, which))
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
