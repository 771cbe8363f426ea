// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_FILTER_H
#define _OPENSNOOP_FILTER_H

// Which opens to record.

#include <linux/sched.h>
#include <opensnoop/ancestors.h>
#include <opensnoop/follow.h>
#include <opensnoop/maps.h>
#include <opensnoop/record.h>
#include <opensnoop/task.h>

// What NAMES and the like are made of. prefix is a literal of size bytes, less the NUL.
#define STARTS(text, prefix, size) starts(text, prefix, size)

// What LISTED is made of.
#define ONE_OF(value, cases)		\
	({				\
		bool found = false;	\
		switch (value) {	\
			cases		\
			found = true;	\
		}			\
		found;			\
	})

// What COMMS are made of. The part's size bytes are those of the numbers, the first 8 those of
// low, the lowest first: of a literal, LLVM 11 makes data that libbcc 0.18 cannot load.
#define HAS(comm, low, high, size) has(comm, low, high, size)

#ifdef TASK_GROUP_LEADER
#define COMMS_SIZE (2 * TASK_COMM_LEN)
#else
#define COMMS_SIZE TASK_COMM_LEN
#endif

// Whether opens are chosen by their names.
#if defined(NAMES) || defined(NAMES_EXCLUDED) || defined(PATHS) || defined(PATHS_EXCLUDED)
#define BY_NAME
#endif

static __always_inline bool starts(const char *text, const char *prefix, int size)
{
#pragma unroll
	for (int i = 0; i < size; i++)
		if (text[i] != prefix[i])
			return false;
	return true;
}

// MAY_START is STARTS for a path, which a name may write with more slashes and dots in it.
#define MAY_START(text, prefix, size) may_start(text, prefix, size)

static __always_inline bool may_start(const char *text, const char *prefix, int size)
{
#pragma unroll
	for (int i = 0; i < size; i++) {
		bool more = (i > 0 && prefix[i - 1] == '/' && (text[i] == '/' || text[i] == '.')) ||
			    (!prefix[i] && text[i] == '/');

		// In here the literal is known, and not where the compiler would move this to.
		asm volatile("" : "+r"(more));
		if (text[i] != prefix[i])
			return more;
	}
	return true;
}

static __always_inline bool begins(const char *comm, u64 low, u64 high, int size)
{
#pragma unroll
	for (int i = 0; i < size; i++)
		if (comm[i] != (char)((i < 8 ? low : high) >> i % 8 * 8))
			return false;
	return true;
}

static __always_inline bool has(const char *comm, u64 low, u64 high, int size)
{
#pragma unroll
	for (int i = 0; i + size < COMMS_SIZE; i++)
		if (begins(comm + i, low, high, size))
			return true;
	return false;
}

// pid_listed and listed report whether the lists of numbers have the current thread, whose
// pid_tgid in the tracer's pid namespace is local.
// clang-format off
static __always_inline bool pid_listed(u64 local)
{
#ifdef PID_SLOT
	u64 *pid = slot(PID);

	return !NO_SLOT(pid) && local >> 32 == *pid;
#elif defined(PIDS)
	u32 tgid = local >> 32;

	return pids.lookup(&tgid);
#elif defined(FOLLOW) && !defined(FOLLOWED_EXCLUDED)
	return false;
#else
	return true;
#endif
}

static __always_inline bool listed(u64 local)
{
#ifdef LISTED
	return LISTED;
#else
	return true;
#endif
}
// clang-format on

// is_self reports whether the thread of this pid_tgid, in the tracer's pid namespace, is the
// tracer's.
static __always_inline bool is_self(u64 local)
{
	u64 *self = slot(SELF);

	return NO_SLOT(self) || local >> 32 == *self;
}

// chosen reports whether the filters let calls of the current thread through, whose
// pid_tgid in the tracer's pid namespace is local.
static __always_inline bool chosen(u64 local)
{
#ifdef GATED
	u64 *shut = slot(GATE_SHUT);

	if (NO_SLOT(shut) || *shut)
		return false;
#endif
#if defined(FOLLOW) && !defined(FOLLOWED_EXCLUDED)
	if (!is_followed(local) && !pid_listed(local))
		return false;
#else
	if (!pid_listed(local))
		return false;
#endif
#ifdef FOLLOWED_EXCLUDED
	if (is_followed(local))
		return false;
#endif
	if (!listed(local) || !under_wanted())
		return false;
#ifdef CGROUPS
	u64 cgroup = bpf_get_current_cgroup_id();

	if (!cgroupset.lookup(&cgroup))
		return false;
#endif
#ifdef CGROUPS_EXCLUDED
	u64 in = bpf_get_current_cgroup_id();
	u8 *how = cgroups_excluded.lookup(&in);

	if (how && (*how == EXCLUDED || !in_cgroup_namespace()))
		return false;
#endif
#ifdef MNTNSES
	u64 nsproxy = task_member(TASK_NSPROXY);
	// The number is of 4 bytes, the key is not.
	u64 mntns = (u32)member(member(nsproxy, NSPROXY_MNT_NS), MNT_NS_INUM);

	if (!mount_ns_set.lookup(&mntns))
		return false;
#endif
#if defined(COMMS) || defined(COMMS_EXCLUDED)
	// That of the thread and that of the process, each with a NUL at its end.
	char comm[COMMS_SIZE] = {};

	bpf_get_current_comm(comm, TASK_COMM_LEN);
#ifdef TASK_GROUP_LEADER
	bpf_probe_read_kernel(comm + TASK_COMM_LEN, TASK_COMM_LEN,
			      (void *)task_member(TASK_GROUP_LEADER) + TASK_COMM);
#endif
#ifdef COMMS
	if (!(COMMS))
		return false;
#endif
#ifdef COMMS_EXCLUDED
	if (COMMS_EXCLUDED)
		return false;
#endif
#endif
	return true;
}

#if FIELDS & FIELD_PATH
static __always_inline void note(enum slot which, u64 value)
{
	u64 *noted = slot(which);

	if (!NO_SLOT(noted))
		*noted = value;
}
#endif

// note_top notes the current process's root as the tracer's.
static __always_inline void note_top(void)
{
#if FIELDS & FIELD_PATH
	u64 fs = task_member(TASK_FS);
	u64 mnt = member(fs, FS_ROOT);

	note(TOP_MNT, mnt);
	note(TOP_DENTRY, member(fs, FS_ROOT + 8));
	note(TOP_MOUNTPOINT, member(mnt - MOUNT_MNT, MOUNT_MOUNTPOINT));
	note(TOP_ROOT, member(mnt - MOUNT_MNT, MOUNT_ROOT));
	note(TOP_NS, member(task_member(TASK_NSPROXY), NSPROXY_MNT_NS));
#endif
}

// traced reports whether the current thread, of this pid_tgid, is one to trace. It notes
// the tracer's own calls.
static __always_inline bool traced(u64 id)
{
	u64 local = local_id(id);
	u64 *time;

	if (!is_self(local))
		return chosen(local);
	time = slot(SELF_TIME);
	if (!NO_SLOT(time))
		*time = bpf_ktime_get_ns();
	note_top();
	add(SELF_SEEN, 1);
	return false;
}

// result_wanted reports whether calls that end so are wanted. One of which the end is not known
// has neither failed nor succeeded.
static __always_inline bool result_wanted(s64 result)
{
#ifdef RESULT_WANTED
	return result != RESULT_UNKNOWN && (RESULT_WANTED);
#else
	return true;
#endif
}

static __always_inline bool flags_wanted(u64 flags)
{
#ifdef FLAGS_WANTED
	return FLAGS_WANTED;
#else
	return true;
#endif
}

#if FIELDS & FIELD_PATH
// task_fs is the current task's struct fs_struct.
static __always_inline u64 *task_fs(void)
{
	return (u64 *)LOAD((u64 *)(CURRENT_TASK + TASK_FS));
}
#endif

// in_chroot reports whether the root of a process with this struct fs_struct is another one than
// the tracer's.
static __always_inline bool in_chroot(u64 *fs)
{
#if FIELDS & FIELD_PATH
#ifdef TASK_REGS
	u64 *root = (void *)fs + FS_ROOT;
#else
	u64 root[2] = {};

	bpf_probe_read_kernel(root, sizeof(root), (void *)fs + FS_ROOT);
#endif
	return root[0] != told(TOP_MNT) || root[1] != told(TOP_DENTRY);
#else
	return false;
#endif
}

// name_wanted reports whether a name may be wanted. With filters by absolute paths, it takes
// its folder to say so of one that is relative, or has another root.
static __always_inline bool name_wanted(const char *name, bool in_root)
{
#ifdef NAMES_EXCLUDED
	if (NAMES_EXCLUDED)
		return false;
#endif
#if defined(PATHS) || defined(PATHS_EXCLUDED)
	if (name[0] != '/' || in_root)
		return true;
#ifdef PATHS_EXCLUDED
	if (PATHS_EXCLUDED)
		return in_chroot(task_fs());
#endif
#ifdef PATHS
	if (!(PATHS))
		return in_chroot(task_fs());
#endif
#endif
#ifdef NAMES
	return NAMES;
#else
	return true;
#endif
}

#endif
