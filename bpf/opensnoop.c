// SPDX-License-Identifier: GPL-2.0-only

//go:build ignore

// Every open(2), as one record in the perf buffer `events`.
//
// libbcc compiles this file on the machine that it traces. These macros, given
// with -D, choose what is in the program:
//
//	PROBE_KPROBE      hook the kernel's own open function (do_sys_openat2)
//	PROBE_TRACEPOINT  hook the entry and exit of every system call
//	SELF=n            the tracer's own tgid, whose opens make no records
//	PIDS="case 1: …"  trace these tgids only; a switch, so that many pids cost
//	                  a binary search and one costs a comparison
//	PIDNS_DEV, PIDNS_INO
//	                  the tracer's pid namespace, if it is not the first: SELF and
//	                  PIDS are numbers of it, and so are those in records of its
//	                  processes
//
// A record leaves at entry, so that a call that blocks shows at once. Only a
// name whose page is not in memory has to wait until the kernel has fetched it.

#include <uapi/linux/ptrace.h>
#include <uapi/linux/limits.h>
#include <linux/sched.h>

// How the name of a record came about; event.NameKind in Go.
enum name_kind {
	NAME_READ = 0,   // `name` holds the bytes that the program passed
	NAME_BAD = 1,    // the address was bad at return too; `name` holds it
	NAME_UNSEEN = 2, // unreadable at entry, return not seen; `name` holds it
};

// What is in a record beyond what is in all; event.Fields in Go.
enum field {
	FIELD_UID = 1,
	FIELD_PPID = 2,
	FIELD_FLAGS = 4, // and mode
	FIELD_RESULT = 8,
};

#ifndef FIELDS
#define FIELDS 0
#endif
#define DETAILS (FIELDS & (FIELD_PPID | FIELD_FLAGS | FIELD_RESULT))

// What goes to user space: this header, then name_len bytes and no more.
// internal/event decodes it, and a test holds the two to the same layout.
struct record {
	u64 time; // ns, CLOCK_MONOTONIC, when the record was submitted
	u32 tgid;
	u32 tid;
	u32 uid;
	u16 name_len;  // bytes, without the NUL
	u8 name_kind;  // enum name_kind
	u8 fields;     // enum field
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

// A call whose name could not be read at entry, until it can be.
struct call {
	u64 name; // address in the process
	u64 time; // ns, at entry
	char comm[TASK_COMM_LEN];
};

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

// Calls wait rarely: this keeps the hash look-up off the usual way.
static __always_inline bool none_waits(void)
{
	u64 *in = counter(WAITING), *out = counter(RECLAIMED);

	return !in || !out || *in == *out;
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

static __always_inline void submit(void *ctx, struct record *r, u64 id, u32 len)
{
	u64 local = local_id(id);

	if (local)
		id = local;
	r->tgid = id >> 32;
	r->tid = id;
	r->name_len = len;
	r->fields = FIELDS;
	r->time = bpf_ktime_get_ns();
	// The ring's own count of lost records reaches the reader only with the
	// next record that fits; this one is right at any time.
	if (events.perf_submit(ctx, r, HEADER_SIZE + (len & (PATH_MAX - 1))))
		add(LOST, 1);
}

// submit_name sends a record whose name was read; n is the helper's result, which
// counts the NUL. For an empty name of a program, it is 0 before Linux 6.10.
static __always_inline void submit_name(void *ctx, struct record *r, u64 id, long n)
{
	r->name_kind = NAME_READ;
	submit(ctx, r, id, n ? n - 1 : 0);
}

// submit_address sends a record that has an address in place of the name.
static __always_inline void submit_address(void *ctx, struct record *r, u64 id,
					   enum name_kind kind, u64 address)
{
	r->name_kind = kind;
	__builtin_memcpy(r->name, &address, sizeof(address));
	submit(ctx, r, id, sizeof(address));
}

// take moves a waiting call out of the map. Only one taker gets it: user space,
// which gives out calls that grew old, deletes it by the same rule.
static __always_inline bool take(u64 id, struct call *c)
{
	struct call *waiting = calls.lookup(&id);

	if (!waiting)
		return false;
	*c = *waiting;
	if (calls.delete(&id))
		return false;
	add(WAITING, -1);
	return true;
}

// traced tells whether the current process is one to trace.
static __always_inline bool traced(u64 id)
{
	u32 tgid = local_id(id) >> 32;

	if (tgid == SELF)
		return false;
#ifdef PIDS
	switch (tgid) {
	PIDS
		return true;
	default:
		return false;
	}
#else
	return true;
#endif
}

static __always_inline void trace_enter(void *ctx, u64 id, const char *name)
{
	struct record *r;
	struct call c = {};
	int zero = 0;
	long n;

	r = scratch.lookup(&zero);
	if (!r)
		return;
	if (!none_waits() && take(id, &c)) {
		// This thread's last call waits for a return that was missed.
		__builtin_memcpy(r->comm, c.comm, sizeof(c.comm));
		submit_address(ctx, r, id, NAME_UNSEEN, c.name);
	}

	n = bpf_probe_read_user_str(r->name, sizeof(r->name), name);
	if (n >= 0) {
		bpf_get_current_comm(r->comm, sizeof(r->comm));
		submit_name(ctx, r, id, n);
		return;
	}
	c.name = (u64)name;
	c.time = bpf_ktime_get_ns();
	bpf_get_current_comm(c.comm, sizeof(c.comm));
	if (calls.update(&id, &c))
		add(LOST, 1);
	else
		add(WAITING, 1);
}

static __always_inline void trace_return(void *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	struct record *r;
	struct call c = {};
	int zero = 0;
	long n;

	if (none_waits() || !take(id, &c))
		return;
	r = scratch.lookup(&zero);
	if (!r)
		return;
	__builtin_memcpy(r->comm, c.comm, sizeof(c.comm));
	n = bpf_probe_read_user_str(r->name, sizeof(r->name), (void *)c.name);
	if (n >= 0)
		submit_name(ctx, r, id, n);
	else
		submit_address(ctx, r, id, NAME_BAD, c.name);
}

// The start of struct filename, the kernel's copy of a name (include/linux/fs.h).
struct filename_start {
	const char *name;
	u64 uptr; // the address in the process
};

#ifdef PROBE_KPROBE

// do_sys_openat2(int dfd, const char __user *filename, struct open_how *how),
// do_sys_open(int dfd, const char __user *filename, int flags, umode_t mode)
// before 5.6.
int open_enter(struct pt_regs *ctx)
{
	u64 id = bpf_get_current_pid_tgid();

	if (traced(id))
		trace_enter(ctx, id, (const char *)PT_REGS_PARM2(ctx));
	return 0;
}

int open_return(struct pt_regs *ctx)
{
	trace_return(ctx);
	return 0;
}

// do_filp_open(int dfd, struct filename *pathname, const struct open_flags *op)
// follows once the kernel has its own copy of the name. A call that then blocks
// still shows at once, and when many blocked calls have used up the instances of
// the return probe, no name is missed.
int open_named(struct pt_regs *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	struct filename_start filename = {};
	struct record *r;
	struct call c = {}, *waiting;
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
	if (!r)
		return 0;
	n = bpf_probe_read_kernel_str(r->name, sizeof(r->name), filename.name);
	if (n <= 0 || !take(id, &c))
		return 0;
	__builtin_memcpy(r->comm, c.comm, sizeof(c.comm));
	submit_name(ctx, r, id, n);
	return 0;
}

#endif

#ifdef PROBE_TRACEPOINT

// Of each architecture: is_open tells cheaply which system call numbers may be
// opens, is_compat whether the call was made by the 32-bit tables, and open_name
// finds the name's address among the arguments; false means no open after all.

#if defined(__TARGET_ARCH_arm64) || defined(__aarch64__)

static __always_inline bool is_compat(void)
{
	u64 flags = 0;

	// thread_info.flags leads task_struct; TIF_32BIT is bit 22.
	bpf_probe_read_kernel(&flags, sizeof(flags), (void *)bpf_get_current_task());
	return flags & (1 << 22);
}

static __always_inline bool is_open(u64 nr)
{
	switch (nr) {
	case 56:  // openat; compat: lchown32
	case 437: // openat2 in both
	case 5:   // compat open; getxattr
	case 8:   // compat creat; listxattr
	case 322: // compat openat
		return true;
	}
	return false;
}

static __always_inline bool open_name(struct pt_regs *regs, u64 nr, u64 *name)
{
	bool first = false;

	if (is_compat()) {
		if (nr == 56)
			return false;
		first = nr == 5 || nr == 8;
	} else if (nr != 56 && nr != 437) {
		return false;
	}
	return !bpf_probe_read_kernel(name, sizeof(*name),
				      first ? &regs->regs[0] : &regs->regs[1]);
}

#else // x86-64

static __always_inline bool is_compat(void)
{
	u32 status = 0;

	// thread_info.status, at the start of task_struct; TS_COMPAT is bit 1.
	bpf_probe_read_kernel(&status, sizeof(status),
			      (void *)bpf_get_current_task() + THREAD_STATUS);
	return status & 2;
}

#define X32 0x40000000 // __X32_SYSCALL_BIT

static __always_inline bool is_open(u64 nr)
{
	switch (nr) {
	case 2: case X32 | 2:     // open; i386: fork
	case 85: case X32 | 85:   // creat; i386: readlink
	case 257: case X32 | 257: // openat; i386: remap_file_pages
	case 437: case X32 | 437: // openat2 in both
	case 5:                   // i386 open; fstat
	case 8:                   // i386 creat; lseek
	case 295:                 // i386 openat; preadv
		return true;
	}
	return false;
}

static __always_inline bool open_name(struct pt_regs *regs, u64 nr, u64 *name)
{
	u64 *from;

	if (is_compat()) {
		// i386 passes its arguments in bx, cx, dx, …
		if (nr == 5 || nr == 8)
			from = &regs->bx;
		else if (nr == 295 || nr == 437)
			from = &regs->cx;
		else
			return false;
	} else {
		nr &= ~X32;
		if (nr == 2 || nr == 85)
			from = &regs->di;
		else if (nr == 257 || nr == 437)
			from = &regs->si;
		else
			return false;
	}
	return !bpf_probe_read_kernel(name, sizeof(*name), from);
}

#endif

// sys_enter(struct pt_regs *regs, long id)
int syscall_enter(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id, name = 0;

	if (!is_open(ctx->args[1]))
		return 0;
	id = bpf_get_current_pid_tgid();
	if (!traced(id))
		return 0;
	if (open_name((struct pt_regs *)ctx->args[0], ctx->args[1], &name))
		trace_enter(ctx, id, (const char *)name);
	return 0;
}

// sys_exit(struct pt_regs *regs, long ret)
int syscall_exit(struct bpf_raw_tracepoint_args *ctx)
{
	trace_return(ctx);
	return 0;
}

#endif

// io_uring_submit_req(struct io_kiocb *req), io_uring_submit_sqe before 6.3
//
// Opens through io_uring are no system calls, and the functions behind them run
// twice for a request that is put off. A request is submitted once, when the
// kernel already has its own copy of the name.
int uring_submit(struct bpf_raw_tracepoint_args *ctx)
{
	// The start of struct io_kiocb, with the struct io_open that it holds
	// (include/linux/io_uring_types.h, io_uring/openclose.c).
	struct {
		u64 file;
		u32 dfd, file_slot;
		struct filename_start *filename;
		u64 other[5];
		u8 opcode;
	} req;
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
	r = scratch.lookup(&zero);
	if (!r)
		return 0;
	bpf_probe_read_kernel(&req.filename, sizeof(req.filename),
			      (void *)ctx->args[0] + offsetof(typeof(req), filename));
	bpf_probe_read_kernel(&name, sizeof(name), &req.filename->name);
	n = bpf_probe_read_kernel_str(r->name, sizeof(r->name), name);
	bpf_get_current_comm(r->comm, sizeof(r->comm));
	if (n > 0)
		submit_name(ctx, r, id, n);
	else
		submit_address(ctx, r, id, NAME_BAD, (u64)name);
	return 0;
}
