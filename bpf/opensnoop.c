// SPDX-License-Identifier: GPL-2.0-only

//go:build ignore

// Every open(2), as one record in the perf buffer `events`.
//
// libbcc compiles this file on the machine that it traces. These macros, at the head of its text
// (internal/plan, internal/filter), choose what is in the program. All are there: what is not
// asked for is 0, and the compiler leaves out what stands behind an `if` that does not hold.
//
//	PROBE_KPROBE      hook the kernel's own open function (do_sys_openat2)
//	PROBE_FENTRY      the same by trampolines, with results its return too; without FIELD_PATH,
//	                  FIELD_EXE, FIELD_FILE and EXECS
//	TYPED_PARMS       with PROBE_FENTRY: the verifier knows what the functions' parameters point to
//	PROBE_SESSION     with PROBE_KPROBE: its entry and return by one program; with FIELD_RESULT
//	BEGINS_NAMED      then, calls begin where the kernel has its copy of their name: at the open function,
//	                  only the return is hooked; without FIELD_TOOK, GATED and BY_NAME
//	PROBE_TRACEPOINT  hook the entry and exit of every system call
//	FIELDS=n          what records hold, a sum of FIELD_… (opensnoop/record.h)
//	NUMBERS=n         so many numbers of the task, which FILL_NUMBERS sets (event.Numbers in Go)
//	PIDNS_DEV, PIDNS_INO
//	                  the tracer's pid namespace, if it is not the first: the pids
//	                  of slots and filters are numbers of it, and so are those in
//	                  records of its processes
//
// Filters. An open has to pass them all:
//
//	FOLLOW            the processes in the map `followed`, and what they start; with one of
//	                  the next two, those too
//	FOLLOWED_EXCLUDED none of those of FOLLOW
//	PID_SLOT          the process whose tgid is in the slot PID
//	PIDS              the processes whose tgids are in the map `pids`
//	CGROUPS, MNTNSES  the map cgroupset or mount_ns_set has the ids as keys; the
//	                  loader puts the user's pinned map in its place
//	CGROUPS_EXCLUDED  not the map cgroups_excluded has the ids
//	EXECS             and files that are opened to execute programs; needs FIELD_RESULT
//	LOOKUPS           and calls that only look for a file: stat, access, readlink and their like;
//	                  needs FIELD_RESULT and PROBE_TRACEPOINT
//	GATED             those that begin while the slot GATE_SHUT is 0: one session gives way to another
//	SLOWER            calls that took longer, in ns; needs FIELD_TOOK
//
// These are expressions, which let all opens through where there is no filter:
//
//	LISTED            "ONE_OF((u32)local, case 1: case 2:) && …", so that many cost a binary search
//	COMMS             "comm_contains(comm, 0x61, 0, 1) || …", for the thread's or the process's
//	COMMS_EXCLUDED    the same, for what not to show
//	UNDER             of the two words of `comm`, for the process or any that it descends from
//	FLAGS_WANTED      of `flags`; needs FIELD_FLAGS
//	NAMES             "has_prefix(name, "/etc", 4) || …"
//	NAMES_EXCLUDED    the same, for names not to show
//	PATHS, PATHS_EXCLUDED
//	                  the same for names of files from the tracer's root, with may_have_prefix;
//	                  need FIELD_PATH
//	TOPS              the same for the topmost folders of paths, "has_prefix(top, "etc\0", 4)"
//	RESULT_WANTED     of `result`; needs FIELD_RESULT
//
// BY_COMM, BY_ANCESTOR, BY_NAME, BY_PATH and BY_TOP say what these read; BAD_NAMES, that an open whose
// name the kernel could not read is wanted.
//
// Of this kernel: THREAD_STATUS (x86-64), DO_SYS_OPEN before 5.6, TASK_REGS if the helper
// bpf_task_pt_regs is there (5.15), LOCKS if it tells where rename_lock and mount_lock are (6.2),
// URING_COMPLETE_ARGUMENTS=3 if the tracepoint io_uring_complete has a struct io_uring_cqe (6.18). And
// numbers of its types, each of which is -1 where it is not asked for or not there
// (internal/plan/offsets.go): RDONLY_CAST and VIEW_TYPE, if its memory can be read by plain loads (6.2),
// and offsets in structures, in bytes, TASK_COMM, TASK_FS and so on.
//
// Without FIELD_RESULT a record leaves at entry, so that a call that blocks shows
// at once. Only a name whose page is not in memory has to wait until the kernel
// has fetched it. With FIELD_RESULT it leaves at the end of the system call, and not
// at the return of the kernel's open function: the instances of a return probe can
// be used up by calls that block.

#include <opensnoop/maps.h>

#ifdef SLOTS_MAPPED
// One value that user space maps, and the programs know where it is.
BPF_F_TABLE("array", u32, struct slots, slots, 1, BPF_F_MMAPABLE);
#else
BPF_ARRAY(slots, u64, SLOTS);

static __always_inline u64 *slot(int which)
{
	return slots.lookup(&which);
}
#endif
BPF_PERF_OUTPUT(events);
BPF_PERCPU_ARRAY(scratch, struct call, SCRATCHES); // too large for the stack
BPF_PERCPU_ARRAY(uring_scratch, struct call, 1);

BPF_HASH(pending, u64, struct pending_call, PENDING_MAX); // by pid_tgid, or REQUEST_ID
BPF_HASH(long_names, u64, struct long_name, LONG_NAMES); // by the same
BPF_HASH(longest_names, u64, struct longest_name, LONGEST_NAMES);
// How many of these a holder has: those that the program has put in, less those that it took out, and
// those that user space took out.
BPF_ARRAY(names_put_in, u64, 2 * HOLDERS);
BPF_ARRAY(names_taken_out, u64, 2 * HOLDERS);

// The programs that walk on, each of one type. That of uring_walks is that of walks, with the maps uring_scratch
// and uring_walks in place of scratch and walks.
BPF_PROG_ARRAY(walks, 1);
BPF_PROG_ARRAY(uring_walks, 1);
BPF_PROG_ARRAY(file_walks, 1);
BPF_PROG_ARRAY(exec_walks, 1);

// By the tgid in the kernel's first pid namespace: the processes that are followed, with how far they
// are below the first; who made those that were made while user space looked; and the arguments of
// programs.
BPF_F_TABLE("hash", u32, u32, followed, 65536, AS_NEEDED);
BPF_F_TABLE("hash", u32, u32, forks, 65536, AS_NEEDED);
BPF_ARRAY(followed_by_kernel, u64, FOLLOWED_BUCKETS);
BPF_ARRAY(followed_by_user, u64, FOLLOWED_BUCKETS);
BPF_TABLE("lru_hash", u32, struct args, program_args, 16384);

// What filters look up. The tgids are those of the tracer's pid namespace.
BPF_F_TABLE("hash", u32, u8, pids, 8192, AS_NEEDED);
BPF_TABLE("hash", u64, u64, cgroupset, 1024);
BPF_TABLE("hash", u64, u32, mount_ns_set, 1024);
BPF_F_TABLE("hash", u64, u8, cgroups_excluded, 65536, AS_NEEDED);

BPF_PERF_OUTPUT(cgroups_made);
BPF_PERCPU_ARRAY(scratch_cgroups, struct cgroup_made, 1);

static __always_inline struct call *scratch_call(int which)
{
	if (which == SCRATCH_SUBMIT) {
		which = 0;
		return uring_scratch.lookup(&which);
	}
	return scratch.lookup(&which);
}

static __always_inline long output(void *ctx, struct record *r, u64 size)
{
	return events.perf_submit(ctx, r, size);
}

// What the programs do. bpf.Text adds those of a plan, a line each: open_enter calls on_open_enter. Of
// these headers it leaves out those that have none of them.
#include <opensnoop/cgroup.h>
#include <opensnoop/exec.h>
#include <opensnoop/exit.h>
#include <opensnoop/fexit.h>
#include <opensnoop/fork.h>
#include <opensnoop/io_uring.h>
#include <opensnoop/kprobe.h>
#include <opensnoop/session.h>
#include <opensnoop/tracepoint.h>
#include <opensnoop/walks.h>
