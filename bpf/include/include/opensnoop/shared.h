// SPDX-License-Identifier: GPL-2.0-only

// What other threads may change of a call between its entry, where it is walked, and the kernel's
// own look-up: the working folder and the root, where they share these, and the descriptor that a
// name is relative to. At the end of the call that is looked at again. Of folders a sequence count
// tells. Of a descriptor nothing does that was replaced and put back meanwhile: there the file that
// was opened proves by its parent what the folder was.

#include <opensnoop/names.h>
#include <opensnoop/origin.h>

// checked returns the state of a walk whose begin has been looked at again.
static __always_inline u16 checked(u16 state, bool changed)
{
	return (state & ~WALK_SHARED) | (changed ? WALK_CHANGED : 0);
}

// has_changed reports whether at an address there is another value than at the entry.
static __always_inline bool has_changed(u64 at, u32 value)
{
	u32 now = ~value;

	bpf_probe_read_kernel(&now, sizeof(now), (void *)at);
	return now != value;
}

// check_shared looks again at what other threads share of where a call's name begins.
static __always_inline void check_shared(struct call *c, s64 result)
{
	struct record *r = &c->record;
	struct shared *s = c->shared;
	bool changed;

	if (!HOLDS(FIELD_PATH))
		return;
	if (r->path->root.state & WALK_SHARED)
		r->path->root.state = checked(r->path->root.state, has_changed(s->fs_seq, s->fs_value));
	if (!(r->path->base.state & WALK_SHARED))
		return;
	if (r->path->dfd == AT_FDCWD)
		r->path->base.state = checked(r->path->base.state, has_changed(s->fs_seq, s->fs_value));
	else if (result == -EBADF || r->path->base.state & WALK_BAD) {
		// What the kernel says is so.
		changed = result != -EBADF || !(r->path->base.state & WALK_BAD);
		r->path->base.state = checked(r->path->base.state & ~(changed ? WALK_BAD : 0), changed);
	} else if (has_changed(s->descriptor, s->file))
		r->path->base.state = checked(r->path->base.state, true);
}

// folder_of_opened returns the folder of the file that a call of the current thread opened by a name
// without a slash, if it has that name there; 0 if not, as by a link. The name . is the folder itself.
static __always_inline u64 folder_of_opened(struct call *c, s64 result)
{
	u64 file, dentry;
	char *found = (char *)c->walk->seen;
	long n;

	c->walk->seen_count = 0;
	file = descriptor(c->walk, result);
	if (!file || !is_fresh(file))
		return 0;
	dentry = member(file, FILE_PATH + 8);
	if (c->record.name_len == 1 && *name_of(&c->record) == '.')
		return dentry;
	n = bpf_probe_read_kernel_str(found, PROVEN_NAME, (void *)member(dentry, DENTRY_NAME));
	if (!is_same(name_of(&c->record), c->record.name_len, PROVEN_NAME, found, n))
		return 0;
	return member(dentry, DENTRY_PARENT);
}

// prove_descriptor looks whether a call of the current thread opened a file in the folder of the
// descriptor that it passed, as that was at the entry.
static __always_inline void prove_descriptor(struct call *c, s64 result)
{
	struct record *r = &c->record;

	if (HOLDS(FIELD_PATH) && r->path->base.state & WALK_SHARED && r->path->dfd != AT_FDCWD && r->name_kind == NAME_READ &&
	    r->kind == OPENED && result >= 0 && !(r->path->base.state & WALK_BAD) &&
	    folder_of_opened(c, result) == c->shared->dentry)
		r->path->base.state &= ~WALK_SHARED;
}

// keep_shared keeps with a call what its walks have found to be shared.
static __always_inline void keep_shared(struct call *c)
{
	if (HOLDS(FIELD_PATH))
		*c->shared = c->walk->shared;
}
