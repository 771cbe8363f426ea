// SPDX-License-Identifier: GPL-2.0-only

// Where walks begin, and what they share from there on: what has been seen, and the names that
// are put behind each other.

#include <opensnoop/call.h>
#include <opensnoop/emit.h>
#include <opensnoop/maps.h>

// What is read at once stands so in all kernels.
_Static_assert(!HOLDS(FIELD_PATH) || (FS_USERS < FS_SEQ && FS_SEQ < FS_ROOT && FS_PWD == FS_ROOT + sizeof(struct place)),
	       "fs_struct: users, seq, root, pwd");
_Static_assert(!HOLDS(FIELD_PATH) || (MOUNT_MOUNTPOINT == MOUNT_PARENT + 8 && MOUNT_ROOT == MOUNT_PARENT + 16),
	       "mount: mnt_parent, mnt_mountpoint, mnt.mnt_root");
_Static_assert(!HOLDS(FIELD_PATH) || (DENTRY_SEQ < DENTRY_PARENT && DENTRY_PARENT < DENTRY_LEN &&
				      DENTRY_LEN < DENTRY_NAME && DENTRY_NAME < DENTRY_INAME),
	       "dentry: d_seq, d_parent, d_name, d_iname");

#define DENTRY_FROM (DENTRY_SEQ & ~7)
#define FS_FROM (FS_USERS & ~7)

// A name of fewer bytes stands in the dentry itself: of 32 at least (DNAME_INLINE_LEN).
#define INLINE_NAME 32

// VOLATILE reads or writes a member of a walk in memory. The compiler would keep it in a register from
// step to step, and the verifier would then follow each step by itself.
#define VOLATILE(member) (*(volatile typeof(member) *)&(member))

#define DENTRY_WORDS ((DENTRY_INAME + INLINE_NAME - DENTRY_FROM) / sizeof(u64))

static __always_inline volatile void *view_dentry(u64 at, u64 *copy)
{
	return view(at, DENTRY_FROM, copy, DENTRY_WORDS * sizeof(u64));
}

// stop ends the steps of a walk, and returns false.
static __always_inline bool stop(struct walk *w, u32 state)
{
	w->state |= state;
	w->ended = true;
	return false;
}

// remember_seq notes a sequence count, or a pointer, to compare it again at the end of the walk; not if
// `needed` is 0. That takes no branch, which the verifier would follow in each step.
static __always_inline void remember_seq(struct walk *w, u64 at, u32 value, u32 needed)
{
	u64 n = VOLATILE(w->seen_count) & (SEEN_MAX - 1);

	w->seen[n].at = at;
	w->seen[n].value = value;
	VOLATILE(w->seen_count) = n + needed;
}

// count_at is one of the kernel's two counts of changes: odd while one is under way.
static __always_inline u64 count_at(u64 lock)
{
	u32 copy = 0;

	return *(volatile u32 *)view(lock, 0, &copy, sizeof(copy));
}

// view_mount returns where a mount can be read.
static __always_inline volatile struct mounted *view_mount(u64 mnt, struct mounted *copy)
{
	return view(mnt - MOUNT_MNT, MOUNT_PARENT, copy, sizeof(*copy)) + MOUNT_PARENT;
}

// look_at_mount reads the mount of a place to go to: what is needed of it at once, or all of it if it
// takes a call.
static __always_inline void look_at_mount(struct walk *w, u64 mnt)
{
	if (BY_LOADS)
		w->on.root = view_mount(mnt, NULL)->root;
	else if (mnt == w->top.mnt) // mostly
		w->on = w->top_on;
	else
		view_mount(mnt, &w->on);
}

// mount_of returns where the mount can be read of where a walk is.
static __always_inline volatile struct mounted *mount_of(struct walk *w)
{
	return BY_LOADS ? view_mount(w->at.mnt, NULL) : &w->on;
}

// descriptor returns the struct file of a descriptor of the current task; 0 if there is none.
// Another thread may close it meanwhile: it is to be seen again.
static __always_inline u64 descriptor(struct walk *w, u32 fd)
{
	u64 fdt = member(task_member(TASK_FILES), FILES_FDT);
	u64 fds, file;

	if (fd >= (u32)member(fdt, FDT_MAX))
		return 0;
	fds = member(fdt, FDT_FD);
	file = member(fds, fd * 8);
	w->slot = fds + fd * 8;
	remember_seq(w, w->slot, file, 1);
	return file;
}

// shares_files reports whether other threads have the current one's descriptors.
static __always_inline bool shares_files(void)
{
	return (u32)member(task_member(TASK_FILES), FILES_COUNT) > 1;
}

// is_fresh reports whether a file has just been opened: nothing but its descriptor has it. One that
// another thread has put in the place of its descriptor mostly has another, too.
static __always_inline bool is_fresh(u64 file)
{
	if (HAS(FILE_REF))
		return member(file, FILE_REF) == 0; // counts from 0
	return !HAS(FILE_COUNT) || member(file, FILE_COUNT) == 1;
}

// unlikely has the compiler move what is rare out of the way.
#define unlikely(condition) __builtin_expect(condition, 0)

// has_room reports whether there is room for more bytes of components, less the last NUL.
static __always_inline bool has_room(struct walk *w, u64 end, u64 more)
{
	return end + more < VOLATILE(w->limit);
}

// append appends the name of a dentry of which a view is there, if there is room for its bytes.
static __always_inline bool append(struct record *r, struct walk *w, volatile void *dentry, u64 len)
{
	void *name = (void *)*(volatile u64 *)(dentry + DENTRY_NAME);
	long n;

	if (len >= COMPONENT_MAX)
		return stop(w, WALK_MORE);
	n = bpf_probe_read_kernel_str(r->name + (VOLATILE(w->end) & (STRINGS_MAX - 1)), COMPONENT_MAX, name);
	if (n <= 0) {
		w->changed = true;
		return false;
	}
	w->end += n;
	return true;
}

#define SB_NOUSER (1U << 31)

// append_text appends a short name of which the length is not known.
static __always_inline void append_text(struct record *r, struct walk *w, u64 text)
{
	u32 end = VOLATILE(w->end) & (STRINGS_MAX - 1);
	long n;

	if (end + TASK_COMM_LEN > STRINGS_END) {
		stop(w, WALK_MORE);
		return;
	}
	n = bpf_probe_read_kernel_str(r->name + end, TASK_COMM_LEN, (void *)text);
	if (n > 0)
		VOLATILE(w->end) = end + n;
}

// What the names of kinds of file systems begin with, as a number.
#define TYPE_BTRFS 0x7366727462ULL	 // and a NUL, as below
#define TYPE_NSFS 0x7366736eULL
#define TYPE_OVERLAY 0x79616c7265766fULL

static __always_inline u64 type_of(u64 super)
{
	return member(super, SB_TYPE);
}

static __always_inline bool is_type(u64 type, u64 name, int size)
{
	return !((member(member(type, TYPE_NAME), 0) ^ name) << (64 - 8 * (size + 1)));
}

// names_itself reports whether a file is of no folder: of a file system that nothing can be mounted of,
// as a pipe's, or one with names of its own.
static __always_inline bool names_itself(u64 dentry, u64 super)
{
	u64 ops = member(dentry, DENTRY_OPS);

	return (ops && member(ops, OPS_DNAME)) || (u32)member(super, SB_FLAGS) & SB_NOUSER;
}

// read_itself puts a file's own name and that of its kind of file system in the place of the path
// that it does not have.
static __always_inline void read_itself(struct record *r, struct walk *w, u64 file)
{
	u64 dentry = member(file, FILE_PATH + 8);
	u64 inode = member(file, FILE_INODE);
	u64 super = member(inode, INODE_SB);
	u64 copy[DENTRY_WORDS], len;
	volatile void *seen;

	if (!names_itself(dentry, super))
		return;
	w->state |= WALK_SPECIAL;
	w->ended = true;
	if (HAS(NS_OPS) && HAS(NS_OPS_NAME) && is_type(type_of(super), TYPE_NSFS, 4)) {
		u64 ops = member(member(inode, INODE_PRIVATE), NS_OPS);

		append_text(r, w, member(ops, NS_OPS_NAME));
		append_text(r, w, member(type_of(super), TYPE_NAME));
		return;
	}
	seen = view_dentry(dentry, copy);
	len = *(volatile u32 *)(seen + DENTRY_LEN);
	if (!has_room(w, w->end, len))
		stop(w, WALK_MORE);
	else if (append(r, w, seen, len))
		append_text(r, w, member(type_of(super), TYPE_NAME));
}

#define FMODE_CREATED 0x100000
#define OVL_CONST_INO (1 << 4) // of enum ovl_inode_flag in fs/overlayfs/overlayfs.h
#define BTRFS_EMPTY_SUBVOL_DIR_OBJECTID 2 // include/uapi/linux/btrfs_tree.h
#define S_IFMT 0170000
#define S_IFDIR 0040000
#define O_TMPFILE_ITSELF 020000000 // __O_TMPFILE of include/uapi/asm-generic/fcntl.h

// overlay_is_exact reports whether stat(2) tells the device and the inode of a file on overlayfs that its
// own superblock and inode have: of folders always, of others where all layers are on one file
// system, or their numbers leave room for that of a layer (xino); but not of a file with several
// links, which is copied up as another.
static __always_inline bool overlay_is_exact(u64 super, u64 inode, u64 number)
{
	s32 bits = member(member(super, SB_INFO), OVERLAY_XINO);
	u64 overlay = inode - OVERLAY_VFS_INODE;

	if (!HAS(OVERLAY_XINO) || !HAS(OVERLAY_VFS_INODE) || !HAS(OVERLAY_FLAGS) || !HAS(OVERLAY_UPPER))
		return false;
	if ((u32)member(super, SB_DEPTH) > 1) // its layers are of overlayfs
		return false;
	if (((u32)member(inode, INODE_MODE) & S_IFMT) == S_IFDIR)
		return true;
	if (bits < 0 || number >> 1 >> ((63 - bits) & 63))
		return false;
	return member(overlay, OVERLAY_FLAGS) & OVL_CONST_INO ||
	       member(member(member(overlay, OVERLAY_UPPER), DENTRY_INODE), INODE_INO) == number;
}

// stat_device returns the device that stat(2) tells of a file, and sets a mark where that, or its
// inode, may be another one.
static __always_inline u32 stat_device(struct record *r, u64 super, u64 inode, u64 number)
{
	u64 type = type_of(super);

	if (is_type(type, TYPE_OVERLAY, 7) && !overlay_is_exact(super, inode, number))
		r->file->marks |= FILE_STAT_DIFFERS;
	// Of btrfs it is the subvolume's, but for the folder in a subvolume's place in a snapshot.
	if (is_type(type, TYPE_BTRFS, 5) && number != BTRFS_EMPTY_SUBVOL_DIR_OBJECTID) {
		if (HAS(BTRFS_VFS_INODE) && HAS(BTRFS_INODE_ROOT) && HAS(BTRFS_ROOT_DEV))
			return member(member(inode - BTRFS_VFS_INODE, BTRFS_INODE_ROOT), BTRFS_ROOT_DEV);
		r->file->marks |= FILE_STAT_DIFFERS;
	}
	return member(super, SB_DEV);
}

// read_file reads what an opened file is.
static __always_inline void read_file(struct record *r, struct walk *w, u64 file)
{
	u64 inode = member(file, FILE_INODE);
	u64 super = member(inode, INODE_SB);
	u64 number = member(inode, INODE_INO);

	r->file->inode[0] = number;
	r->file->inode[1] = number >> 32;
	r->file->marks = 0;
	if ((u32)member(file, FILE_MODE) & FMODE_CREATED ||
	    (u32)member(file, FILE_FLAGS) & O_TMPFILE_ITSELF)
		r->file->marks |= FILE_CREATED;
	r->file->dev = stat_device(r, super, inode, number);
	read_itself(r, w, file);
}

// find_origin goes to where the walk begins; false if that is nowhere.
static __always_inline bool find_origin(struct record *r, struct walk *w)
{
	u64 file = 0, mm;

	if (w->from == FROM_ROOT) {
		if (SHARED_ROOTS && w->shared.fs_seq)
			w->state |= WALK_SHARED;
		w->at = w->root;
		return true;
	}
	if (w->from == FROM_BASE) {
		if (r->path->dfd == AT_FDCWD) {
			if (w->shared.fs_seq)
				w->state |= WALK_SHARED;
			w->at = w->pwd;
			return true;
		}
		w->slot = 0;
		file = descriptor(w, r->path->dfd);
		if (shares_files()) {
			w->state |= WALK_SHARED;
			w->shared.descriptor = w->slot;
			w->shared.file = file;
			w->shared.dentry = member(file, FILE_PATH + 8);
		}
	}
	if (HOLDS(FIELD_EXE) && w->from == FROM_EXE) {
		mm = task_member(TASK_MM);
		w->root.dentry = 0; // where that is does not matter
		file = mm ? member(mm, MM_EXE_FILE) : 0;
		if (file)
			read_itself(r, w, file);
	}
	if (HOLDS(FIELD_FILE) && w->from == FROM_FILE) {
		w->root.dentry = 0;
		file = descriptor(w, *r->result);
		if (file && shares_files() && !is_fresh(file))
			w->state |= WALK_SHARED;
		if (file)
			read_file(r, w, file);
	}
	return file && !bpf_probe_read_kernel(&w->at, sizeof(w->at), (void *)file + FILE_PATH);
}

// set_folders sets what the current task has of folders. Its struct fs_struct is at `at`, and stands
// at `fs` to be read. It is to be seen again if other threads may change it meanwhile.
static __always_inline void set_folders(struct walk *w, u64 at, void *fs)
{
	volatile u64 *places = fs + FS_ROOT;

	w->seen_count = w->seen_again = 0;
	w->shared.fs_seq = 0;
	if (*(volatile u32 *)(fs + FS_USERS) > 1) {
		w->shared.fs_seq = at + FS_SEQ;
		w->shared.fs_value = *(volatile u32 *)(fs + FS_SEQ) & ~1;
		remember_seq(w, at + FS_SEQ, w->shared.fs_value, 1);
	}
	w->root.mnt = places[0];
	w->root.dentry = places[1];
	w->pwd.mnt = places[2];
	w->pwd.dentry = places[3];
}

// read_folders is the same where that has to be read first.
static __always_inline void read_folders(struct walk *w)
{
	char copy[FS_PWD + sizeof(struct place) - FS_FROM] __attribute__((aligned(8)));
	u64 at = task_member(TASK_FS);

	set_folders(w, at, view(at, FS_FROM, copy, sizeof(copy)));
}

// start begins a walk, or begins it anew.
static __always_inline void start(struct record *r, struct walk *w)
{
	u16 in_root;
	u64 lock;

	w->end = w->start;
	w->limit = w->start + WALK_MAX;
	if (HOLDS(FIELD_FILE) && w->limit > STRINGS_END) // its walk comes after all others
		w->limit = STRINGS_END;
	w->state = 0;
	w->ended = w->changed = false;
	w->first = 0;
	w->care = 0;
	lock = !LOCKS || w->tries ? 0 : slot_read(RENAME_LOCK);
	if (lock)
		w->changes = (count_at(lock) & ~1ULL) + (count_at(slot_read(MOUNT_LOCK)) & ~1ULL);
	else
		w->care = BY_DENTRY;
	in_root = w->from == FROM_BASE ? r->path->base.state & WALK_IN_ROOT : 0;
	w->state = in_root;
	if (!find_origin(r, w)) {
		stop(w, WALK_BAD);
		return;
	}
	if (in_root)
		w->root = w->at;
	if (HOLDS(FIELD_EXE | FIELD_FILE) && w->state & WALK_SPECIAL)
		return;
	if (w->top.dentry != w->top_on.root ||
	    (w->root.dentry != w->top.dentry && (!HOLDS(FIELD_EXE | FIELD_FILE) || w->root.dentry)))
		w->care |= CHROOTED;
	w->passed = !(w->care & CHROOTED);
	look_at_mount(w, w->at.mnt);
	if (w->at.dentry != w->on.root)
		w->first = w->at.dentry;
}
