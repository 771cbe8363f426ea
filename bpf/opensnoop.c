// SPDX-License-Identifier: GPL-2.0-only

//go:build ignore

// Every open(2), as one record in the perf buffer `events`.
//
// libbcc compiles this file on the machine that it traces. These macros, given
// with -D, choose what is in the program:
//
//	PROBE_KPROBE      hook the kernel's own open function (do_sys_openat2)
//	PROBE_TRACEPOINT  hook the entry and exit of every system call
//	FIELDS=n          what records hold, a sum of enum field
//	SELF=n            the tracer's own tgid, whose opens make no records
//	PIDNS_DEV, PIDNS_INO
//	                  the tracer's pid namespace, if it is not the first: SELF,
//	                  PIDS and TIDS are numbers of it, and so are those in records
//	                  of its processes
//
// Filters; without the macro there is none. An open has to pass them all:
//
//	PIDS, TIDS, UIDS  "case 1: case 2:", so that many cost a binary search
//	COMMS             "HAS(comm, "a", 1) || …"
//	CGROUPS, MNTNSES  the path of a pinned map that has the ids as keys
//	FLAGS_WANTED      an expression of `flags`; needs FIELD_FLAGS
//	NAMES             "STARTS(name, "/etc", 4) || …"
//	NAMES_EXCLUDED    the same, for names not to show
//	FAILED            only calls that fail; needs FIELD_RESULT
//
// Of this kernel: THREAD_STATUS (x86-64), DO_SYS_OPEN before 5.6, TASK_REGS if
// the helper bpf_task_pt_regs is there (5.15), and for what needs them
// TASK_REAL_PARENT, TASK_TGID, TASK_NSPROXY, NSPROXY_MNT_NS, MNT_NS_INUM: offsets in
// structures, in bytes.
//
// Without FIELD_RESULT a record leaves at entry, so that a call that blocks shows
// at once. Only a name whose page is not in memory has to wait until the kernel
// has fetched it. With FIELD_RESULT it leaves at the end of the system call: that
// is seen without fail, while the instances of a return probe on the kernel's open
// function can be used up by calls that block.

#include <uapi/linux/ptrace.h>
#include <uapi/linux/fcntl.h>
#include <uapi/linux/limits.h>
#include <linux/sched.h>

// How the name of a record came about; event.NameKind in Go.
enum name_kind {
	NAME_READ = 0,   // `name` holds the bytes that the program passed
	NAME_BAD = 1,    // the address was bad at return too; `name` holds it
	NAME_UNSEEN = 2, // unreadable at entry, return not seen; `name` holds it
};

// What is in a record beyond what is in all; event.Fields in Go. Macros, for the
// preprocessor to choose by.
#define FIELD_UID 1
#define FIELD_PPID 2
#define FIELD_FLAGS 4 // and mode
#define FIELD_RESULT 8

#ifndef FIELDS
#define FIELDS 0
#endif
#define DETAILS (FIELDS & (FIELD_PPID | FIELD_FLAGS | FIELD_RESULT))
// Set in a record that has room for details, also if none of them could be read.
#define HAS_DETAILS (DETAILS ? 128 : 0)

#define RESULT_UNKNOWN (-2147483647 - 1)

// What goes to user space: this header, then name_len bytes and no more.
// internal/event decodes it, and a test holds the two to the same layout.
struct record {
	u64 time; // ns, CLOCK_MONOTONIC, when the record was submitted
	u32 tgid;
	u32 tid;
	u32 uid;
	u16 name_len; // bytes, without the NUL
	u8 name_kind; // enum name_kind
	u8 fields;    // FIELD_…, less those that could not be read
	char comm[TASK_COMM_LEN];
#if DETAILS
	u64 flags;
	u32 mode;
	u32 ppid;
	s32 result;
	u32 unused;
#endif
	char name[PATH_MAX];
};
#define HEADER_SIZE offsetof(struct record, name)

// A call that waits for its return: the record as far as it is known, with the
// address of the name in the name's place. User space can give it out as it is.
struct call {
	char header[HEADER_SIZE]; // its time is the entry's
	u64 name;
};

// The arguments of a call.
struct open_args {
	u64 name;
	u64 flags;
	u32 mode;
	bool flags_read; // flags and mode are set
};

// The system calls that open.
enum door {
	NO_DOOR,
	OPEN,    // (name, flags, mode)
	CREAT,   // (name, mode)
	OPENAT,  // (dfd, name, flags, mode)
	OPENAT2, // (dfd, name, how, size)
};

struct open_how { // include/uapi/linux/openat2.h, less `resolve`
	u64 flags;
	u64 mode;
};

// LOAD reads an integer of the current task or of its registers. Where the verifier
// knows what these pointers point to, that is an instruction and no call.
#ifdef TASK_REGS
#define CURRENT_TASK ((void *)bpf_get_current_task_btf())
#define LOAD(address) (*(address))
#else
#define CURRENT_TASK ((void *)bpf_get_current_task())
#define LOAD(address) ({ \
	typeof(*(address)) value = 0; \
	bpf_probe_read_kernel(&value, sizeof(value), address); \
	value; \
})
#endif

// Of the architecture: is_compat, is_open, door_of, argument, syscall_nr,
// O_LARGEFILE.
#include <asm/open.h>

enum counter {
	LOST,      // records that did not get into the perf buffer or into `calls`
	WAITING,   // calls put into `calls`, less those taken out in the kernel
	RECLAIMED, // calls that user space took out of `calls`; it alone writes this
	COUNTERS,
};

BPF_PERF_OUTPUT(events);
BPF_PERCPU_ARRAY(scratch, struct record, 1); // too large for the stack
BPF_HASH(calls, u64, struct call, 8192);     // by pid_tgid
BPF_ARRAY(counters, u64, COUNTERS);
#ifdef CGROUPS
BPF_TABLE_PINNED("hash", u64, u64, cgroupset, 1024, CGROUPS);
#endif
#ifdef MNTNSES
BPF_TABLE_PINNED("hash", u64, u32, mount_ns_set, 1024, MNTNSES);
#endif

static __always_inline u64 *counter(int which)
{
	return counters.lookup(&which);
}

static __always_inline void add(int which, s64 n)
{
	u64 *c = counter(which);

	if (c)
		__sync_fetch_and_add(c, n);
}

// Where calls wait rarely, counting them keeps the hash look-up off the usual way.
static __always_inline void count_waiting(s64 n)
{
#if !(FIELDS & FIELD_RESULT)
	add(WAITING, n);
#endif
}

static __always_inline bool none_waits(void)
{
#if FIELDS & FIELD_RESULT
	return false;
#else
	u64 *in = counter(WAITING), *out = counter(RECLAIMED);

	return !in || !out || *in == *out;
#endif
}

// member reads a pointer, or an integer of 8 bytes, out of a kernel structure.
static __always_inline u64 member(u64 structure, u32 offset)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)structure + offset);
	return value;
}

// local_id is the current thread's pid_tgid in the tracer's pid namespace; 0 for
// a process of another one, which has no number there.
static __always_inline u64 local_id(u64 id)
{
#ifdef PIDNS_INO
	struct bpf_pidns_info ns = {};

	if (bpf_get_ns_current_pid_tgid(PIDNS_DEV, PIDNS_INO, &ns, sizeof(ns)))
		return 0;
	return (u64)ns.tgid << 32 | ns.pid;
#else
	return id;
#endif
}

// current_regs are the registers that the current thread's system call began with;
// saved is where a tracepoint says that they are.
static __always_inline struct pt_regs *current_regs(void *saved)
{
#ifdef TASK_REGS
	return (struct pt_regs *)bpf_task_pt_regs(CURRENT_TASK);
#else
	return saved;
#endif
}

// read_open_args finds the arguments of the system call that the current thread is
// in. False if that is no open after all.
static __always_inline bool read_open_args(struct pt_regs *regs, u64 nr, struct open_args *args)
{
	bool compat = is_compat();
	enum door door = door_of(nr, compat);
	int name = door == OPENAT || door == OPENAT2;

	if (door == NO_DOOR)
		return false;
	args->name = LOAD(argument(regs, compat, name));
#if FIELDS & FIELD_FLAGS
	u64 next = LOAD(argument(regs, compat, name + 1));
	struct open_how how = {};

	args->flags_read = true;
	switch (door) {
	case CREAT:
		args->flags = O_CREAT | O_WRONLY | O_TRUNC;
		args->mode = next & ALLPERMS;
		break;
	case OPENAT2:
		args->flags_read = !bpf_probe_read_user(&how, sizeof(how), (void *)next);
		args->flags = how.flags;
		args->mode = how.mode;
		break;
	default:
		args->flags = (u32)next;
		args->mode = LOAD(argument(regs, compat, name + 2)) & ALLPERMS;
	}
#endif
	return true;
}

#define STARTS(text, prefix, size) starts(text, prefix, size)
#define HAS(text, part, size) has(text, part, size)

static __always_inline bool starts(const char *text, const char *prefix, int size)
{
#pragma unroll
	for (int i = 0; i < size; i++)
		if (text[i] != prefix[i])
			return false;
	return true;
}

static __always_inline bool has(const char *comm, const char *part, int size)
{
#pragma unroll
	for (int i = 0; i + size < TASK_COMM_LEN; i++)
		if (starts(comm + i, part, size))
			return true;
	return false;
}

// traced tells whether the current process is one to trace.
static __always_inline bool traced(u64 id)
{
	u64 local = local_id(id);

	if (local >> 32 == SELF)
		return false;
#ifdef PIDS
	switch (local >> 32) {
	PIDS
		break;
	default:
		return false;
	}
#endif
#ifdef TIDS
	switch ((u32)local) {
	TIDS
		break;
	default:
		return false;
	}
#endif
#ifdef UIDS
	switch ((u32)bpf_get_current_uid_gid()) {
	UIDS
		break;
	default:
		return false;
	}
#endif
#ifdef CGROUPS
	u64 cgroup = bpf_get_current_cgroup_id();

	if (!cgroupset.lookup(&cgroup))
		return false;
#endif
#ifdef MNTNSES
	u64 nsproxy = member(bpf_get_current_task(), TASK_NSPROXY);
	// The number is of 4 bytes, the key is not.
	u64 mntns = (u32)member(member(nsproxy, NSPROXY_MNT_NS), MNT_NS_INUM);

	if (!mount_ns_set.lookup(&mntns))
		return false;
#endif
#ifdef COMMS
	char comm[TASK_COMM_LEN] = {};

	bpf_get_current_comm(comm, sizeof(comm));
	if (!(COMMS))
		return false;
#endif
	return true;
}

static __always_inline bool flags_wanted(u64 flags)
{
#ifdef FLAGS_WANTED
	return FLAGS_WANTED;
#else
	return true;
#endif
}

static __always_inline bool name_wanted(const char *name)
{
#ifdef NAMES_EXCLUDED
	if (NAMES_EXCLUDED)
		return false;
#endif
#ifdef NAMES
	return NAMES;
#else
	return true;
#endif
}

static __always_inline void set_flags(struct record *r, struct open_args *args)
{
#if FIELDS & FIELD_FLAGS
	r->flags = args->flags;
	r->mode = args->mode;
	if (args->flags_read)
		r->fields |= FIELD_FLAGS;
	else
		r->fields &= ~FIELD_FLAGS;
#endif
}

// fill sets what is known of a record at the entry of its call, but the name.
static __always_inline void fill(struct record *r, u64 id, struct open_args *args)
{
	u64 local = local_id(id);

	if (local)
		id = local;
	r->tgid = id >> 32;
	r->tid = id;
	r->fields = FIELDS | HAS_DETAILS;
	bpf_get_current_comm(r->comm, sizeof(r->comm));
#if FIELDS & FIELD_UID
	r->uid = bpf_get_current_uid_gid();
#endif
#if DETAILS
	r->result = RESULT_UNKNOWN;
#endif
#if FIELDS & FIELD_PPID
	u64 parent = member(bpf_get_current_task(), TASK_REAL_PARENT);

	r->ppid = member(parent, TASK_TGID);
#endif
	set_flags(r, args);
}

static __always_inline void submit(void *ctx, struct record *r, u32 len)
{
	r->name_len = len;
	r->time = bpf_ktime_get_ns();
	// The ring's own count of lost records reaches the reader only with the
	// next record that fits; this one is right at any time.
	if (events.perf_submit(ctx, r, HEADER_SIZE + (len & (PATH_MAX - 1))))
		add(LOST, 1);
}

// submit_named sends a record by the result n of reading its name into it, which
// counts the NUL; for an empty name of a program it is 0 before Linux 6.10. If it is
// negative, the address takes the name's place, and kind says why.
static __always_inline void submit_named(void *ctx, struct record *r, long n,
					 enum name_kind kind, u64 address)
{
	if (n >= 0) {
		if (!name_wanted(r->name))
			return;
		kind = NAME_READ;
		n = n ? n - 1 : 0;
	} else {
#ifdef NAMES
		return;
#endif
		n = sizeof(address);
		__builtin_memcpy(r->name, &address, sizeof(address));
	}
	r->name_kind = kind;
	submit(ctx, r, n);
}

// take moves a waiting call out of the map and into the record, and returns its
// name's address. Only one taker gets it: user space, which gives out calls that
// grew old, deletes it by the same rule.
static __always_inline bool take(u64 id, struct record *r, u64 *address)
{
	struct call *waiting = calls.lookup(&id);

	if (!waiting)
		return false;
	__builtin_memcpy(r, waiting->header, HEADER_SIZE);
	*address = waiting->name;
	if (calls.delete(&id))
		return false;
	count_waiting(-1);
	return true;
}

// wait puts the call of a filled record into the map; false if it is full.
static __always_inline bool wait(struct record *r, u64 id, u64 address)
{
	r->time = bpf_ktime_get_ns();
	r->name_kind = NAME_UNSEEN;
	r->name_len = sizeof(address);
	__builtin_memcpy(r->name, &address, sizeof(address));
	if (calls.update(&id, (struct call *)r))
		return false;
	count_waiting(1);
	return true;
}

static __always_inline void trace_enter(void *ctx, u64 id, struct open_args *args)
{
	struct record *r;
	u64 missed;
	int zero = 0;
	long n;

#if FIELDS & FIELD_FLAGS
	if (args->flags_read && !flags_wanted(args->flags))
		return;
#else
	args->flags_read = true; // none are wanted
#endif
	r = scratch.lookup(&zero);
	if (!r)
		return;
	// This thread's last call still waits only if its return was missed.
	if (!none_waits() && take(id, r, &missed))
		submit_named(ctx, r, -1, NAME_UNSEEN, missed);

	fill(r, id, args);
#if FIELDS & FIELD_RESULT
#if defined(NAMES) || defined(NAMES_EXCLUDED)
	n = bpf_probe_read_user_str(r->name, sizeof(r->name), (void *)args->name);
	if (n >= 0 && !name_wanted(r->name))
		return;
#endif
	if (wait(r, id, args->name))
		return;
	// No room for one more call: without a result rather than not at all.
#endif
	n = bpf_probe_read_user_str(r->name, sizeof(r->name), (void *)args->name);
	if (n >= 0 && args->flags_read) {
#ifndef FAILED
		submit_named(ctx, r, n, NAME_READ, 0);
#else
		add(LOST, 1);
#endif
		return;
	}
	if (!wait(r, id, args->name))
		add(LOST, 1);
}

// trace_return finishes the current thread's waiting call. saved is where its
// registers are, NULL if that is not known here.
static __always_inline void trace_return(void *ctx, void *saved, s64 result)
{
	u64 id, address;
	struct record *r;
	int zero = 0;
	long n;

	if (none_waits())
		return;
	id = bpf_get_current_pid_tgid();
	r = scratch.lookup(&zero);
	if (!r || !take(id, r, &address))
		return;
#ifdef FAILED
	if (result >= 0)
		return;
#endif
#if FIELDS & FIELD_RESULT
	r->result = result;
#endif
#if FIELDS & FIELD_FLAGS
	if (saved && !(r->fields & FIELD_FLAGS)) {
		struct pt_regs *regs = current_regs(saved);
		struct open_args args = {};

		if (read_open_args(regs, syscall_nr(regs), &args)) {
			if (args.flags_read && !flags_wanted(args.flags))
				return;
			set_flags(r, &args);
		}
	}
#endif
	n = bpf_probe_read_user_str(r->name, sizeof(r->name), (void *)address);
	submit_named(ctx, r, n, NAME_BAD, address);
}

// The start of struct filename, the kernel's copy of a name (include/linux/fs.h).
struct filename_start {
	const char *name;
	u64 uptr; // the address in the process
};

#ifdef PROBE_KPROBE

// read_flags sets the flags and mode of the call of the kernel's open function.
// What that is passed is not what the program passed: unknown flags and a mode
// that has no use are gone, and O_LARGEFILE is added for 64-bit programs.
static __always_inline void read_flags(struct pt_regs *ctx, struct open_args *args)
{
#if FIELDS & FIELD_FLAGS
	struct open_how how = {};

#ifdef TASK_REGS
	struct pt_regs *regs = current_regs(NULL);

	if (read_open_args(regs, syscall_nr(regs), args) && args->flags_read)
		return;
#endif
#ifdef DO_SYS_OPEN
	how.flags = (u32)PT_REGS_PARM3(ctx);
	how.mode = (u32)PT_REGS_PARM4(ctx) & ALLPERMS;
#else
	bpf_probe_read_kernel(&how, sizeof(how), (void *)PT_REGS_PARM3(ctx));
#endif
	args->flags = is_compat() ? how.flags : how.flags & ~O_LARGEFILE;
	args->mode = how.mode;
	args->flags_read = true;
#endif
}

// do_sys_openat2(int dfd, const char __user *filename, struct open_how *how),
// do_sys_open(int dfd, const char __user *filename, int flags, umode_t mode)
// before 5.6.
int open_enter(struct pt_regs *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	struct open_args args = {};

	if (!traced(id))
		return 0;
	read_flags(ctx, &args);
	args.name = PT_REGS_PARM2(ctx);
	trace_enter(ctx, id, &args);
	return 0;
}

int open_return(struct pt_regs *ctx)
{
	trace_return(ctx, NULL, 0);
	return 0;
}

// do_filp_open(int dfd, struct filename *pathname, const struct open_flags *op)
// follows once the kernel has its own copy of the name. A call that then blocks
// still shows at once, and when many blocked calls have used up the instances of
// the return probe, no name is missed.
int open_named(struct pt_regs *ctx)
{
	u64 id = bpf_get_current_pid_tgid(), address;
	struct filename_start filename = {};
	struct record *r;
	struct call *waiting;
	int zero = 0;
	long n;

	if (none_waits())
		return 0;
	waiting = calls.lookup(&id);
	if (!waiting)
		return 0;
	// Where struct filename is another, the address does not match, and the
	// return probe serves.
	bpf_probe_read_kernel(&filename, sizeof(filename), (void *)PT_REGS_PARM2(ctx));
	if (filename.uptr != waiting->name)
		return 0;
	r = scratch.lookup(&zero);
	if (!r || !take(id, r, &address))
		return 0;
	n = bpf_probe_read_kernel_str(r->name, sizeof(r->name), filename.name);
	submit_named(ctx, r, n, NAME_UNSEEN, address);
	return 0;
}

#endif

#ifdef PROBE_TRACEPOINT

// sys_enter(struct pt_regs *regs, long id)
int syscall_enter(struct bpf_raw_tracepoint_args *ctx)
{
	struct open_args args = {};
	u64 id;

	if (!is_open(ctx->args[1]))
		return 0;
	id = bpf_get_current_pid_tgid();
	if (!traced(id))
		return 0;
	if (read_open_args(current_regs((void *)ctx->args[0]), ctx->args[1], &args))
		trace_enter(ctx, id, &args);
	return 0;
}

#endif

// sys_exit(struct pt_regs *regs, long ret)
int syscall_exit(struct bpf_raw_tracepoint_args *ctx)
{
	trace_return(ctx, (void *)ctx->args[0], (long)ctx->args[1]);
	return 0;
}

// io_uring_submit_req(struct io_kiocb *req), io_uring_submit_sqe before 6.3
//
// Opens through io_uring are no system calls, and the functions behind them run
// twice for a request that is put off. A request is submitted once, when the
// kernel already has its own copy of the name. Its result is not seen.
int uring_submit(struct bpf_raw_tracepoint_args *ctx)
{
	// The start of struct io_kiocb, with the struct io_open that it holds
	// (include/linux/io_uring_types.h, io_uring/openclose.c).
	struct {
		u64 file;
		u32 dfd, file_slot;
		struct filename_start *filename;
		struct open_how how;
		u64 other[3];
		u8 opcode;
	} req = {};
	struct open_args args = {};
	struct record *r;
	const char *name = NULL;
	u64 id;
	int zero = 0;
	long n;

	if (bpf_probe_read_kernel(&req.opcode, 1, (void *)ctx->args[0] + offsetof(typeof(req), opcode)))
		return 0;
	if (req.opcode != 18 && req.opcode != 28) // IORING_OP_OPENAT, IORING_OP_OPENAT2
		return 0;
	id = bpf_get_current_pid_tgid();
	if (!traced(id))
		return 0;
	bpf_probe_read_kernel(&req, offsetof(typeof(req), other), (void *)ctx->args[0]);
	args.flags = req.how.flags & ~O_LARGEFILE; // which the kernel adds
	args.mode = req.how.mode;
	args.flags_read = true;
	if (!flags_wanted(args.flags))
		return 0;
	r = scratch.lookup(&zero);
	if (!r)
		return 0;
	fill(r, id, &args);
	bpf_probe_read_kernel(&name, sizeof(name), &req.filename->name);
	n = bpf_probe_read_kernel_str(r->name, sizeof(r->name), name);
	submit_named(ctx, r, n, NAME_BAD, (u64)name);
	return 0;
}
