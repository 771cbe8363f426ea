// SPDX-License-Identifier: GPL-2.0-only

// The steps of a walk, from a folder to the one above it.

#include <opensnoop/origin.h>

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
static __always_inline bool go_up(struct record *r, struct walk *w)
{
	// Not where it takes calls to read, or each folder is to be compared.
	if (LOCKS && BY_LOADS && !w->care && has_room(w, w->end, STEPS * INLINE_NAME)) {
		bool goes_on = climb(r, w);

		if (w->at.dentry == w->on.root)
			return true;
		if (goes_on)
			return false;
	}
	return walk_up(r, w);
}
