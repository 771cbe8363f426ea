// SPDX-License-Identifier: GPL-2.0-only

//go:build ignore

// Every open(2), as one record in the perf buffer `events`.
//
// libbcc compiles this file on the machine that it traces. These macros, given
// with -D, choose what is in the program:
//
//	PROBE_KPROBE      hook the kernel's own open function (do_sys_openat2)
//	PROBE_FENTRY      the same by trampolines, with results at its return alone; without
//	                  FIELD_PATH, FIELD_EXE, FIELD_FILE and EXECS
//	PROBE_TRACEPOINT  hook the entry and exit of every system call
//	FIELDS=n          what records hold, a sum of FIELD_… (opensnoop/record.h)
//	PIDNS_DEV, PIDNS_INO
//	                  the tracer's pid namespace, if it is not the first: the pids
//	                  of slots and filters are numbers of it, and so are those in
//	                  records of its processes
//
// Filters; without the macro there is none. An open has to pass them all:
//
//	FOLLOW            the processes in the map `followed`, and what they start; with one of
//	                  the next two, those too
//	FOLLOWED_EXCLUDED none of those of FOLLOW
//	PID_SLOT          the process whose tgid is in the slot PID
//	PIDS              the processes whose tgids are in the map `pids`
//	TIDS, UIDS, EUIDS, GIDS, LOGINS
//	                  "case 1: case 2:", so that many cost a binary search
//	COMMS             "HAS(comm, 0x61, 0, 1) || …", for the thread's or the process's
//	UNDER             an expression of the two words of `comm`, for the process or any that it
//	                  descends from
//	PIDS_EXCLUDED, UIDS_EXCLUDED, COMMS_EXCLUDED
//	                  the same for what not to show
//	CGROUPS, MNTNSES  the map cgroupset or mount_ns_set has the ids as keys; the
//	                  loader puts the user's pinned map in its place
//	CGROUPS_EXCLUDED  not the map cgroups_excluded has the ids
//	FLAGS_WANTED      an expression of `flags`; needs FIELD_FLAGS
//	NAMES             "STARTS(name, "/etc", 4) || …"
//	NAMES_EXCLUDED    the same, for names not to show
//	PATHS, PATHS_EXCLUDED
//	                  the same for names of files from the tracer's root, with MAY_START;
//	                  need FIELD_PATH
//	TOPS              the same for the topmost folders of paths, "STARTS(top, "etc\0", 4)"
//	EXECS             and files that are opened to execute programs; needs FIELD_RESULT
//	RESULT_WANTED     an expression of `result`; needs FIELD_RESULT
//	GATED             those that begin while the slot GATE_SHUT is 0: one session gives way to another
//	SLOWER            calls that took longer, in ns; needs FIELD_TOOK
//
// Of this kernel: THREAD_STATUS (x86-64), DO_SYS_OPEN before 5.6, HANDLE_ENTER before 5.15 by
// kprobes, TASK_REGS if the helper
// bpf_task_pt_regs is there (5.15), URING_COMPLETE_ARGUMENTS=3 if the tracepoint
// io_uring_complete has a struct io_uring_cqe (6.18), TASK_COMM if it is known, and for what
// needs them TASK_FS, FS_ROOT and so on: offsets in structures, in bytes
// (internal/plan/offsets.go).
//
// Without FIELD_RESULT a record leaves at entry, so that a call that blocks shows
// at once. Only a name whose page is not in memory has to wait until the kernel
// has fetched it. With FIELD_RESULT it leaves at the end of the system call, and not
// at the return of the kernel's open function: the instances of a return probe can
// be used up by calls that block.

#include <opensnoop/cgroup.h>
#include <opensnoop/exec.h>
#include <opensnoop/exit.h>
#include <opensnoop/io_uring.h>
#include <opensnoop/tracepoint.h>
#ifndef PROBE_TRACEPOINT
#include <opensnoop/fexit.h>
#include <opensnoop/kprobe.h>
#endif

// The maps, and all that touches them.

#ifdef SLOTS_MAPPED
// One value that user space maps, and the programs know where it is.
struct slots {
	u64 slot[SLOTS];
};
BPF_F_TABLE("array", u32, struct slots, slots, 1, BPF_F_MMAPABLE);
#else
BPF_ARRAY(slots, u64, SLOTS);
#endif
BPF_PERF_OUTPUT(events);
BPF_PERCPU_ARRAY(scratch, struct call, SCRATCHES); // too large for the stack
BPF_HASH(pending, u64, struct pending_call, PENDING_MAX); // by pid_tgid, or REQUEST_ID
#ifdef HAS_CELLS
BPF_F_TABLE("array", u32, struct pending_call, cells, CELLS, BPF_F_MMAPABLE);
#endif
#if HAS_LONG_NAMES
struct long_name {
	char bytes[LONG_NAME];
};
struct longest_name {
	char bytes[STRINGS_MAX];
};
BPF_HASH(long_names, u64, struct long_name, LONG_NAMES); // by the same
BPF_HASH(longest_names, u64, struct longest_name, LONGEST_NAMES);
BPF_ARRAY(names_put_in, u64, 2 * HOLDERS);
BPF_ARRAY(names_taken_out, u64, 2 * HOLDERS);
#endif
#if FIELDS & FIELD_PATH
// Programs of one type each.
BPF_PROG_ARRAY(walks, 1);
BPF_PROG_ARRAY(uring_walks, 1);
#endif
#if FIELDS & FIELD_FILE
BPF_PROG_ARRAY(file_walks, 1);
#endif
#if FIELDS & FIELD_PATH && defined(EXECS) && defined(PROBE_TRACEPOINT)
BPF_PROG_ARRAY(exec_walks, 1);
#endif
#ifdef FOLLOW
// By tgid. Each has its memory when it comes.
BPF_F_TABLE("hash", u32, u32, followed, 65536, BPF_F_NO_PREALLOC);
BPF_F_TABLE("hash", u32, u32, forks, 65536, BPF_F_NO_PREALLOC);
BPF_ARRAY(followed_here, u64, ALIKE);
BPF_ARRAY(followed_there, u64, ALIKE);
#endif
#if FIELDS & FIELD_ARGS
BPF_TABLE("lru_hash", u32, struct args, program_args, 16384); // by tgid
#endif
#ifdef PIDS
BPF_F_TABLE("hash", u32, u8, pids, 8192, BPF_F_NO_PREALLOC);
#endif
#ifdef CGROUPS
BPF_TABLE("hash", u64, u64, cgroupset, 1024);
#endif
#ifdef MNTNSES
BPF_TABLE("hash", u64, u32, mount_ns_set, 1024);
#endif
#ifdef CGROUP_KN
BPF_PERF_OUTPUT(cgroups_made);
BPF_PERCPU_ARRAY(scratch_cgroups, struct cgroup_made, 1);
#endif
#ifdef CGROUPS_EXCLUDED
BPF_F_TABLE("hash", u64, u8, cgroups_excluded, 65536, BPF_F_NO_PREALLOC);
#endif

#ifndef SLOTS_MAPPED
static __always_inline u64 *slot(int which)
{
	return slots.lookup(&which);
}
#endif

static __always_inline struct call *scratch_call(int which)
{
	return scratch.lookup(&which);
}

static __always_inline long output(void *ctx, struct record *r, u64 size)
{
	return events.perf_submit(ctx, r, size);
}

#ifdef HAS_CELLS
static __always_inline struct pending_call *cell_of(u64 id)
{
	u32 which = id & (CELLS - 1);

	return cells.lookup(&which);
}
#endif

static __always_inline struct pending_call *find_pending(u64 *id)
{
	return pending.lookup(id);
}

static __always_inline long put_pending(u64 *id, struct call *c)
{
	return pending.update(id, (struct pending_call *)c);
}

static __always_inline long delete_pending(u64 *id)
{
	return pending.delete(id);
}

#if HAS_LONG_NAMES
static __always_inline char *find_long_name(u64 *id, u32 len)
{
	if (len <= LONG_NAME)
		return (char *)long_names.lookup(id);
	return (char *)longest_names.lookup(id);
}

static __always_inline long put_long_name(u64 *id, char *name, u32 len)
{
	if (len <= LONG_NAME)
		return long_names.insert(id, (struct long_name *)name);
	return longest_names.insert(id, (struct longest_name *)name);
}

static __always_inline long delete_long_name(u64 *id, u32 len)
{
	if (len <= LONG_NAME)
		return long_names.delete(id);
	return longest_names.delete(id);
}

static __always_inline u64 *names_put(int holder)
{
	return names_put_in.lookup(&holder);
}

static __always_inline u64 *names_taken(int holder)
{
	return names_taken_out.lookup(&holder);
}
#endif

#if FIELDS & FIELD_PATH
static __always_inline void continue_walk(void *ctx, enum scratch which)
{
	if (which == SCRATCH_SUBMIT)
		uring_walks.call(ctx, 0);
	else if (which == SCRATCH_ENTER)
		walks.call(ctx, 0);
#if FIELDS & FIELD_FILE
	else if (which == SCRATCH_RETURN)
		file_walks.call(ctx, 0);
#endif
#if defined(EXECS) && defined(PROBE_TRACEPOINT)
	else
		exec_walks.call(ctx, 0);
#endif
}
#endif

#ifdef FOLLOW
static __always_inline u32 *find_followed(u32 *tgid)
{
	return followed.lookup(tgid);
}

static __always_inline long insert_followed(u32 *tgid, u32 *depth)
{
	return followed.insert(tgid, depth);
}

static __always_inline long put_followed(u32 *tgid, u32 *depth)
{
	return followed.update(tgid, depth);
}

static __always_inline u64 *alike_here(int last)
{
	return followed_here.lookup(&last);
}

static __always_inline u64 *alike_there(int last)
{
	return followed_there.lookup(&last);
}

static __always_inline long delete_followed(u32 *tgid)
{
	return followed.delete(tgid);
}

static __always_inline void put_fork(u32 *child, u32 *parent)
{
	forks.update(child, parent);
}
#else
static __always_inline u32 *find_followed(u32 *tgid)
{
	return NULL;
}

static __always_inline long insert_followed(u32 *tgid, u32 *depth)
{
	return -1;
}

static __always_inline long put_followed(u32 *tgid, u32 *depth)
{
	return -1;
}

static __always_inline u64 *alike_here(int last)
{
	return NULL;
}

static __always_inline u64 *alike_there(int last)
{
	return NULL;
}
#endif

#if FIELDS & FIELD_ARGS
static __always_inline struct args *find_args(u32 *tgid)
{
	return program_args.lookup(tgid);
}

static __always_inline void put_args(u32 *tgid, struct args *args)
{
	program_args.update(tgid, args);
}

static __always_inline void delete_args(u32 *tgid)
{
	program_args.delete(tgid);
}
#endif

#ifdef PIDS
static __always_inline bool in_pids(u32 tgid)
{
	return pids.lookup(&tgid);
}

static __always_inline void delete_pid(u32 tgid)
{
	pids.delete(&tgid);
}
#endif

#ifdef CGROUPS
static __always_inline bool cgroup_listed(u64 *id)
{
	return cgroupset.lookup(id);
}
#endif

#ifdef CGROUPS_EXCLUDED
static __always_inline bool cgroup_excluded(u64 *id)
{
	u8 *how = cgroups_excluded.lookup(id);

	return how && (*how == EXCLUDED || !in_cgroup_namespace());
}
#endif

#ifdef CGROUP_KN
static __always_inline struct cgroup_made *scratch_cgroup(void)
{
	int first = 0;

	return scratch_cgroups.lookup(&first);
}

static __always_inline long output_cgroup(void *ctx, struct cgroup_made *made, u64 size)
{
	return cgroups_made.perf_submit(ctx, made, size);
}
#endif

#ifdef MNTNSES
static __always_inline bool mount_ns_listed(u64 *inum)
{
	return mount_ns_set.lookup(inum);
}
#endif

// The programs. libbcc takes them from the main file only.
// clang-format off
#ifdef PROBE_KPROBE
int open_enter(struct pt_regs *ctx) { return on_open_enter(ctx); }
int openat2_enter(struct pt_regs *ctx) { return on_openat2_enter(ctx); }
#ifdef HANDLE_ENTER
int handle_enter(struct pt_regs *ctx) { return on_handle_enter(ctx); }
#endif
int open_named(struct pt_regs *ctx) { return on_open_named(ctx); }
int open_return(struct pt_regs *ctx) { return on_open_return(ctx); }
#endif
#if defined(PROBE_FENTRY) && FIELDS & FIELD_RESULT
int open_exit(struct bpf_raw_tracepoint_args *ctx) { return on_open_exit(ctx); }
int openat2_exit(struct bpf_raw_tracepoint_args *ctx) { return on_openat2_exit(ctx); }
int open_named(struct bpf_raw_tracepoint_args *ctx) { return on_named_exit(ctx); }
int sigreturn_exit(struct bpf_raw_tracepoint_args *ctx) { return on_sigreturn_exit(ctx); }
#elif defined(PROBE_FENTRY)
int open_enter(struct bpf_raw_tracepoint_args *ctx) { return on_open_enter(ctx); }
int openat2_enter(struct bpf_raw_tracepoint_args *ctx) { return on_openat2_enter(ctx); }
int open_named(struct bpf_raw_tracepoint_args *ctx) { return on_open_named(ctx); }
#endif
#ifdef PROBE_TRACEPOINT
int syscall_enter(struct bpf_raw_tracepoint_args *ctx) { return on_syscall_enter(ctx); }
#endif
#if FIELDS & FIELD_PATH
#ifdef PROBE_KPROBE
int walk_enter(struct pt_regs *ctx) { return on_walk_enter(ctx); }
#else
int walk_enter(struct bpf_raw_tracepoint_args *ctx) { return on_walk_enter(ctx); }
#endif
#if FIELDS & FIELD_FILE
int walk_return(struct bpf_raw_tracepoint_args *ctx) { return on_walk_return(ctx); }
#endif
int walk_submit(struct bpf_raw_tracepoint_args *ctx) { return on_walk_submit(ctx); }
#endif
#if defined(PROBE_TRACEPOINT) || defined(PROBE_KPROBE) && FIELDS & FIELD_RESULT
int syscall_exit(struct bpf_raw_tracepoint_args *ctx) { return on_syscall_exit(ctx); }
#endif
#if defined(FOLLOW) || FIELDS & FIELD_ARGS
#ifndef PROBE_TRACEPOINT
int task_fork(struct pt_regs *ctx) { return on_task_fork(PT_REGS_PARM1(ctx)); }
#else
int task_fork(struct bpf_raw_tracepoint_args *ctx) { return on_task_fork(ctx->args[1]); }
#endif
#endif
#if defined(EXECS) || FIELDS & FIELD_ARGS
int task_exec(struct bpf_raw_tracepoint_args *ctx) { return on_task_exec(ctx); }
#endif
#ifdef EXECS
#ifdef PROBE_KPROBE
int exec_enter(struct pt_regs *ctx) { return on_exec_enter(ctx); }
int exec_open(struct pt_regs *ctx) { return on_exec_open(ctx, PT_REGS_PARM1(ctx)); }
int exec_loader(struct pt_regs *ctx) { return on_exec_open(ctx, PT_REGS_PARM2(ctx)); }
#elif FIELDS & FIELD_PATH
int walk_exec(struct bpf_raw_tracepoint_args *ctx) { return on_walk_exec(ctx); }
#endif
#endif
#ifdef SIGNAL_LIVE
int task_exit(struct bpf_raw_tracepoint_args *ctx) { return on_task_exit(ctx); }
#endif
#ifdef CGROUP_KN
int cgroup_made(struct bpf_raw_tracepoint_args *ctx) { return on_cgroup_made(ctx); }
#endif
int uring_submit(struct bpf_raw_tracepoint_args *ctx) { return on_uring_submit(ctx); }
#if FIELDS & FIELD_RESULT
int uring_complete(struct bpf_raw_tracepoint_args *ctx) { return on_uring_complete(ctx); }
#endif
