// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_WALK_H
#define _OPENSNOOP_WALK_H

// The way from a folder up to the tracer's root.
//
// The kernel renames folders while we walk. It raises a count in a dentry before and after
// it changes the name or the parent. A walk notes the count of each dentry that it passes;
// at its end it looks at them all again: if none has changed, then all that was read was so
// at one moment. Otherwise it begins anew, a few times.
//
// A program of its own walks a few steps and runs itself again, by a tail call, until it is
// at the end: the verifier looks at those few steps only, and looking is time of the start.

#include <opensnoop/call.h>
#include <opensnoop/emit.h>
#include <opensnoop/maps.h>

#if FIELDS & FIELD_PATH

// How many steps one run makes, and how many it looks at again. The kernel allows 33 runs
// (MAX_TAIL_CALL_CNT).
#define STEPS 8
#define STEPS_AGAIN 16

#define TRIES 4

// What is read at once stands so in all kernels.
_Static_assert(FS_USERS < FS_SEQ && FS_SEQ < FS_ROOT && FS_PWD == FS_ROOT + sizeof(struct place),
	       "fs_struct: users, seq, root, pwd");
_Static_assert(MOUNT_MOUNTPOINT == MOUNT_PARENT + 8 && MOUNT_ROOT == MOUNT_PARENT + 16,
	       "mount: mnt_parent, mnt_mountpoint, mnt.mnt_root");
_Static_assert(DENTRY_SEQ < DENTRY_PPREV && DENTRY_PPREV < DENTRY_PARENT &&
		       DENTRY_PARENT < DENTRY_LEN && DENTRY_LEN < DENTRY_NAME &&
		       DENTRY_NAME < DENTRY_INAME,
	       "dentry: d_seq, d_hash, d_parent, d_name, d_iname");

#define DENTRY_FROM (DENTRY_SEQ & ~7)
#define FS_FROM (FS_USERS & ~7)

// A name of fewer bytes stands in the dentry itself: of 32 at least.
#define INLINE_NAME 32

// FRESH reads a member of a walk, or writes it, where the compiler would keep what it knows
// of it in a register from step to step: the verifier then takes each step for another.
#define FRESH(member) (*(volatile typeof(member) *)&(member))

// stop ends the steps of a walk, and returns false.
static __always_inline bool stop(struct walk *w, u32 state)
{
	w->state |= state;
	w->ended = true;
	return false;
}

// see notes what must be seen again; false if there is too much of it.
static __always_inline bool see(struct walk *w, u64 at, u64 value)
{
	u32 n = FRESH(w->seen_count);

	if (n >= SEEN_MAX)
		return stop(w, WALK_MORE);
	w->seen[n].at = at;
	w->seen[n].value = value;
	FRESH(w->seen_count) = n + 1;
	return true;
}

static __always_inline void read_mount(u64 mnt, struct mounted *on)
{
	bpf_probe_read_kernel(on, sizeof(*on), (void *)mnt - MOUNT_MNT + MOUNT_PARENT);
}

// enter_mount goes to a place, which is on another mount than the one before.
static __always_inline void enter_mount(struct walk *w, u64 mnt, u64 dentry)
{
	w->at.mnt = mnt;
	w->at.dentry = dentry;
	if (mnt == w->top.mnt)
		w->on = w->top_on; // mostly
	else
		read_mount(mnt, &w->on);
}

// find_base sets where the walk from a descriptor, or from the working folder, begins; false
// if there is no such descriptor.
static __always_inline bool find_base(struct record *r, struct walk *w, struct place *base)
{
	u64 fdt, fds, file;
	u32 fd = r->dfd;

	if (r->dfd == AT_FDCWD) {
		*base = w->pwd;
		return true;
	}
	fdt = member(task_member(TASK_FILES), FILES_FDT);
	if (fd >= (u32)member(fdt, FDT_MAX))
		return false;
	fds = member(fdt, FDT_FD);
	file = member(fds, fd * 8);
	if (!file || bpf_probe_read_kernel(base, sizeof(*base), (void *)file + FILE_PATH))
		return false;
	see(w, fds + fd * 8, file); // it may be closed meanwhile
	return true;
}

// read_folders reads what the current task has of folders. That is to be seen again if other
// threads may change it meanwhile.
static __always_inline void read_folders(struct walk *w)
{
	char fs[FS_PWD + sizeof(struct place) - FS_FROM] __attribute__((aligned(8))) = {};
	u64 at = task_member(TASK_FS);

	bpf_probe_read_kernel(fs, sizeof(fs), (void *)at + FS_FROM);
	w->root = *(struct place *)(fs + FS_ROOT - FS_FROM);
	w->pwd = *(struct place *)(fs + FS_PWD - FS_FROM);
	w->seen_count = w->seen_again = 0;
	if (*(u32 *)(fs + FS_USERS - FS_FROM) > 1)
		see(w, at + FS_SEQ, *(u32 *)(fs + FS_SEQ - FS_FROM));
}

// start begins the walk from the base or from the root, or begins it anew.
static __always_inline void start(struct record *r, struct walk *w)
{
	struct place from = {};

	w->end = w->start;
	w->state = r->base_state & WALK_IN_ROOT;
	w->ended = w->changed = false;
	if (w->to_root) {
		from = w->root;
	} else if (!find_base(r, w, &from)) {
		w->state |= WALK_BAD;
		w->ended = true;
		return;
	}
	if (!w->to_root && r->base_state & WALK_IN_ROOT)
		w->root = from;
	enter_mount(w, from.mnt, from.dentry);
}

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
	return stop(w, ns != own || ns == told(TOP_NS) ? WALK_UNREACHABLE : 0);
}

// append puts the name of a folder behind the components, which stands at `name`, or `here` if
// it is short.
static __always_inline bool append(struct record *r, struct walk *w, u64 name, u32 len, u64 *here)
{
	u32 end = FRESH(w->end) & (STRINGS_MAX - 1);
	char *to = r->name + end;

	if (len >= COMPONENT_MAX || end + len + 1 - w->start > WALK_MAX)
		return stop(w, WALK_MORE);
	if (here) {
#pragma unroll
		for (int i = 0; i < INLINE_NAME / 8; i++)
			((u64 *)to)[i] = here[i];
	} else if (bpf_probe_read_kernel_str(to, COMPONENT_MAX, (void *)name) != len + 1) {
		w->changed = true;
		return false;
	}
	w->last = end;
	FRESH(w->end) = end + len + 1;
	return true;
}

// leave_mount goes from the root of a mount to the folder that it is mounted on.
static __always_inline bool leave_mount(struct walk *w)
{
	if (!w->on.parent)
		read_mount(w->at.mnt, &w->on);
	if (w->on.parent == w->at.mnt - MOUNT_MNT)
		return end_namespace(w);
	if (!see(w, w->at.mnt - MOUNT_MNT + MOUNT_MOUNTPOINT, w->on.mountpoint))
		return false;
	enter_mount(w, w->on.parent + MOUNT_MNT, w->on.mountpoint);
	return true;
}

// at_mark reports whether the walk is where more is to be done than to read a folder.
static __always_inline bool at_mark(struct walk *w)
{
	u64 at = w->at.dentry;

	return at == w->on.root || at_top(w) || (at == w->root.dentry && w->at.mnt == w->root.mnt);
}

// pass_mark does that; false if the walk has ended, or has to read a folder.
static __always_inline bool pass_mark(struct record *r, struct walk *w)
{
	if (at_top(w))
		return stop(w, 0);
	if (w->at.dentry == w->root.dentry && w->at.mnt == w->root.mnt) {
		r->name[w->end & (STRINGS_MAX - 1)] = 0;
		w->end++;
		w->root.dentry = 0; // it is here once
	}
	if (w->at.dentry == w->on.root)
		return leave_mount(w);
	return true;
}

// step goes from a folder to the one above; false if the walk has ended, or what it reads is
// changing.
static __always_inline bool step(struct record *r, struct walk *w)
{
	char dentry[DENTRY_INAME + INLINE_NAME - DENTRY_FROM] __attribute__((aligned(8))) = {};
	u64 parent, name, at = w->at.dentry;
	u32 seq, len;

	bpf_probe_read_kernel(dentry, sizeof(dentry), (void *)at + DENTRY_FROM);
	seq = *(u32 *)(dentry + DENTRY_SEQ - DENTRY_FROM);
	parent = *(u64 *)(dentry + DENTRY_PARENT - DENTRY_FROM);
	name = *(u64 *)(dentry + DENTRY_NAME - DENTRY_FROM);
	len = *(u32 *)(dentry + DENTRY_LEN - DENTRY_FROM);
	if (parent == at)
		return stop(w, WALK_ESCAPED);
	if (!parent || seq & 1) {
		w->changed = true;
		return false;
	}
	if (w->end == w->start && !*(u64 *)(dentry + DENTRY_PPREV - DENTRY_FROM))
		w->state |= WALK_DELETED;
	w->at.dentry = parent;
	return see(w, at + DENTRY_SEQ, seq) &&
	       append(r, w, name, len,
		      name == at + DENTRY_INAME && len < INLINE_NAME
			      ? (u64 *)(dentry + DENTRY_INAME - DENTRY_FROM)
			      : NULL);
}

// see_again looks at some of what the walk has seen; true if there is more.
static __always_inline bool see_again(struct walk *w)
{
	u32 n = w->seen_again, count = w->seen_count;

#pragma clang loop unroll(disable)
	for (int i = 0; i < STEPS_AGAIN; i++) {
		struct seen *seen = &w->seen[n & (SEEN_MAX - 1)];
		u32 now = 0;

		if (n >= count)
			return false;
		// A sequence count is of 4 bytes, and half of a pointer says enough.
		bpf_probe_read_kernel(&now, sizeof(now), (void *)seen->at);
		if (now != (u32)seen->value) {
			w->changed = true;
			return false;
		}
		n++;
	}
	w->seen_again = n;
	return n < count;
}

// finish puts what a walk came to into the record; true if it is to be walked again, or
// another one follows.
static __always_inline bool finish(struct record *r, struct walk *w)
{
	w->starts = true;
	if (w->changed) {
		if (w->tries++ < TRIES)
			return true;
		w->end = w->start;
		w->state |= WALK_CHANGED;
	}
	if (w->to_root) {
		r->root_len = w->end - w->start;
		r->root_state = w->state & ~WALK_IN_ROOT;
	} else {
		r->base_len = w->end - w->start;
		r->base_state = w->state;
	}
	if (!w->root_next)
		return false;
	w->root_next = false;
	w->to_root = true;
	w->start = w->end;
	w->tries = 0;
	return true;
}

// choose finds out from where to walk; false if the name says it all.
static __always_inline bool choose(struct record *r, struct walk *w)
{
	bool known = r->name_kind == NAME_READ;
	bool from_root = known && r->name[0] == '/' && !(r->base_state & WALK_IN_ROOT);

	w->chosen = true;
	w->root_next = false;
	w->top.mnt = told(TOP_MNT);
	w->top.dentry = told(TOP_DENTRY);
	w->top_on.parent = 0;
	w->top_on.mountpoint = told(TOP_MOUNTPOINT);
	w->top_on.root = told(TOP_ROOT);
	if (w->root.mnt == w->top.mnt && w->root.dentry == w->top.dentry) {
		r->root_state = 0;
		if (from_root)
			return false;
	} else {
		w->root_next = !known;
	}
	w->start = r->name_len;
	w->to_root = from_root;
	w->tries = 0;
	return true;
}

// walk_on makes some steps. It returns when there are none left.
static __always_inline void walk_on(void *ctx, struct call *c, enum scratch which)
{
	struct record *r = &c->record;
	struct walk *w = &c->walk;
	bool go;

	if (w->starts) {
		w->starts = false;
		read_folders(w);
		if (!w->chosen && !choose(r, w))
			return;
		start(r, w);
	}
	go = !w->ended;
#pragma clang loop unroll(disable)
	for (int i = 0; i < STEPS && go && !at_mark(w); i++)
		go = step(r, w);
	if (go && at_mark(w))
		pass_mark(r, w);
	if (!w->changed && (!w->ended || see_again(w))) {
		continue_walk(ctx, which);
		w->state |= WALK_MORE; // too many runs
		w->ended = true;
		w->root_next = false;
	}
	if (finish(r, w)) {
		continue_walk(ctx, which);
		// Not both, or not again.
		if (w->to_root)
			r->root_state = WALK_CHANGED;
		else
			r->base_state = WALK_CHANGED;
	}
}

// folder_wanted reports whether a name that was walked may be wanted, by the topmost folder of
// its path.
static __always_inline bool folder_wanted(struct call *c)
{
#ifdef TOPS
	struct record *r = &c->record;
	struct walk *w = &c->walk;
	char *top = r->name + (w->last & (STRINGS_MAX - 1));
	u32 state = w->to_root ? r->root_state : r->base_state & ~WALK_IN_ROOT;

	// Not where another folder may be the topmost one, or none was walked.
	if (r->name_kind != NAME_READ || state || w->end == w->start || r->name[0] == '.')
		return true;
	return TOPS;
#else
	return true;
#endif
}

// walk has another program go on, which adds to the record of a call what its name is
// relative to. It returns if that cannot be had.
static __always_inline void walk(void *ctx, struct call *c, enum scratch which)
{
	c->walk.chosen = false;
	c->walk.starts = true;
	continue_walk(ctx, which);
}

#endif

#endif
