// SPDX-License-Identifier: GPL-2.0-only

// Which opens to record.

#include <linux/sched.h>
#include <opensnoop/ancestors.h>
#include <opensnoop/follow.h>
#include <opensnoop/maps.h>
#include <opensnoop/record.h>
#include <opensnoop/task.h>

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

#define COMMS_SIZE ((1 + HAS(TASK_GROUP_LEADER)) * TASK_COMM_LEN)

// What NAMES and the like are made of. prefix is a literal of size bytes, less the NUL.
static __always_inline bool has_prefix(const char *text, const char *prefix, int size)
{
	if (size == 1)
		return *text == *prefix; // LLVM 11 does not unroll one round, and then needs the literal in memory
#pragma unroll
	for (int i = 0; i < size; i++)
		if (text[i] != prefix[i])
			return false;
	return true;
}

// may_have_prefix is the same for a path, which a name may write with more slashes and dots in it.
static __always_inline bool may_have_prefix(const char *text, const char *prefix, int size)
{
	if (size == 1)
		return has_prefix(text, prefix, size); // which knows of LLVM 11
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

static __always_inline bool comm_at(const char *comm, u64 low, u64 high, int size)
{
#pragma unroll
	for (int i = 0; i < size; i++)
		if (comm[i] != (char)((i < 8 ? low : high) >> i % 8 * 8))
			return false;
	return true;
}

// What COMMS are made of. The part's size bytes are those of the numbers, the first 8 those of
// low, the lowest first: of a literal, LLVM 11 makes data that libbcc 0.18 cannot load.
static __always_inline bool comm_contains(const char *comm, u64 low, u64 high, int size)
{
#pragma unroll
	for (int i = 0; i + size < COMMS_SIZE; i++)
		if (comm_at(comm + i, low, high, size))
			return true;
	return false;
}

// in_pid_list reports whether the lists of processes have the current one, whose thread's pid_tgid in
// the tracer's pid namespace is local.
static __always_inline bool in_pid_list(u64 local)
{
	u32 tgid = local >> 32;

	if (PID_SLOT)
		return tgid == slot_read(PID);
	return PIDS ? pids.lookup(&tgid) != NULL : !FOLLOW || FOLLOWED_EXCLUDED;
}

// comm_wanted reports whether the comm of the thread or that of the process is one that is wanted.
static __always_inline bool comm_wanted(void)
{
	char comm[COMMS_SIZE] = {}; // the two, each with a NUL at its end

	bpf_get_current_comm(comm, TASK_COMM_LEN);
	if (HAS(TASK_GROUP_LEADER))
		bpf_probe_read_kernel(comm + TASK_COMM_LEN, TASK_COMM_LEN,
				      (void *)task_member(TASK_GROUP_LEADER) + TASK_COMM);
	return (COMMS) && !(COMMS_EXCLUDED);
}

// passes_filters reports whether the filters let calls of the current thread through, whose pid_tgid in
// the tracer's pid namespace is local.
static __always_inline bool passes_filters(u64 local)
{
	if (GATED && slot_read(GATE_SHUT))
		return false;

	bool descends = FOLLOW && is_followed(local);

	if (descends ? FOLLOWED_EXCLUDED : !in_pid_list(local))
		return false;
	if (!(LISTED) || !under_wanted())
		return false;

	u64 cgroup = CGROUPS || CGROUPS_EXCLUDED ? bpf_get_current_cgroup_id() : 0;
	u8 *how = CGROUPS_EXCLUDED ? cgroups_excluded.lookup(&cgroup) : NULL;

	if ((CGROUPS && !cgroupset.lookup(&cgroup)) || (how && (*how == EXCLUDED || !in_cgroup_namespace())))
		return false;

	// The number is of 4 bytes, the key is not.
	u64 mntns = MNTNSES ? (u32)member(member(task_member(TASK_NSPROXY), NSPROXY_MNT_NS), MNT_NS_INUM) : 0;

	if (MNTNSES && !mount_ns_set.lookup(&mntns))
		return false;
	return !BY_COMM || comm_wanted();
}

// note_top notes the current process's root as the tracer's.
static __always_inline void note_top(void)
{
	if (!HOLDS(FIELD_PATH))
		return;

	u64 fs = task_member(TASK_FS);
	u64 mnt = member(fs, FS_ROOT);

	note(TOP_MNT, mnt);
	note(TOP_DENTRY, member(fs, FS_ROOT + 8));
	note(TOP_MOUNTPOINT, member(mnt - MOUNT_MNT, MOUNT_MOUNTPOINT));
	note(TOP_ROOT, member(mnt - MOUNT_MNT, MOUNT_ROOT));
	note(TOP_NS, member(task_member(TASK_NSPROXY), NSPROXY_MNT_NS));
}

// is_chosen is the same for any thread: the tracer's own are not.
static __always_inline bool is_chosen(u64 local)
{
	return local >> 32 != slot_read(SELF) && passes_filters(local);
}

// is_traced reports whether the current thread, of this pid_tgid, is one to trace. The tracer's own
// calls prove that the program runs.
static __always_inline bool is_traced(u64 id)
{
	u64 local = local_id(id);

	if (local >> 32 != slot_read(SELF))
		return passes_filters(local);
	note(SELF_TIME, bpf_ktime_get_ns());
	note_top();
	add(SELF_SEEN, 1);
	return false;
}

// result_wanted reports whether calls with this result are wanted. RESULT_UNKNOWN has neither failed nor
// succeeded.
static __always_inline bool result_wanted(s64 result)
{
	return RESULT_WANTED;
}

static __always_inline bool flags_wanted(u64 flags)
{
	return FLAGS_WANTED;
}

// task_fs is the current task's struct fs_struct.
static __always_inline u64 *task_fs(void)
{
	return (u64 *)LOAD((u64 *)(CURRENT_TASK + TASK_FS));
}

// in_chroot reports whether the root of a process with this struct fs_struct is another one than
// the tracer's.
static __always_inline bool in_chroot(u64 *fs)
{
	u64 copy[2] = {}, *root = TASK_REGS ? (void *)fs + FS_ROOT : copy;

	if (!HOLDS(FIELD_PATH))
		return false;
	if (!TASK_REGS)
		bpf_probe_read_kernel(copy, sizeof(copy), (void *)fs + FS_ROOT);
	return root[0] != slot_read(TOP_MNT) || root[1] != slot_read(TOP_DENTRY);
}

// name_wanted reports whether a name may be wanted. With filters by absolute paths, it takes
// its folder to say so of one that is relative, or has another root.
static __always_inline bool name_wanted(const char *name, bool in_root)
{
	if (NAMES_EXCLUDED)
		return false;
	if (!BY_PATH)
		return NAMES;
	if (name[0] != '/' || in_root)
		return true;
	return (!(PATHS_EXCLUDED) && (PATHS)) || in_chroot(task_fs());
}
