// SPDX-License-Identifier: GPL-2.0-only

// Filling records and giving them out.

#include <linux/errno.h>
#include <opensnoop/ancestors.h>
#include <opensnoop/filter.h>
#include <opensnoop/maps.h>
#include <opensnoop/record.h>
#include <opensnoop/syscall.h>

// set_flags sets a record's part of flags.
static __always_inline void set_flags(struct record *r, struct open_args *args)
{
	if (!HOLDS(FIELD_FLAGS))
		return;
	*r->flags = args->flags;
	*r->mode = args->mode;
	if (args->flags_read)
		r->fields &= ~FLAGS_UNREAD;
	else
		r->fields |= FLAGS_UNREAD;
}

static __always_inline void forget_walk(struct walked *walked)
{
	walked->len = 0;
	walked->state = WALK_NONE;
}

// clear_paths is for a record that has not got their strings.
static __always_inline void clear_paths(struct record *r)
{
	if (HOLDS(FIELD_PATH)) {
		forget_walk(&r->path->base);
		forget_walk(&r->path->root);
	}
	if (HOLDS(FIELD_EXE))
		forget_walk(r->exe);
	if (HOLDS(FIELD_FILE))
		forget_walk(&r->file->real);
}

// set_began sets when a call began, as a part of another record has it; 0 until it is pending.
static __always_inline void set_began(struct record *r, s64 began)
{
	if (HOLDS(FIELD_TOOK))
		*r->took = began;
}

static __always_inline s64 began(struct record *r)
{
	return HOLDS(FIELD_TOOK) ? *r->took : 0;
}

// set_took sets how long a call took that has ended now.
static __always_inline void set_took(struct record *r, u64 now)
{
	if (HOLDS(FIELD_TOOK) && *r->took < 0)
		*r->took = *r->result == RESULT_UNKNOWN ? 0 : *r->took + now;
}

// read_comm reads the current thread's comm: it ends with a NUL, and what is behind the first
// means nothing.
static __always_inline void read_comm(u64 *comm)
{
	u64 *of_task = CURRENT_TASK + TASK_COMM;

	if (!TASK_REGS || !HAS(TASK_COMM)) {
		bpf_get_current_comm(comm, TASK_COMM_LEN);
		return;
	}
	comm[0] = LOAD(of_task);
	comm[1] = LOAD(of_task + 1);
}

// set_number sets a number of a record. If it is not known it is less than 0, and has a mark.
static __always_inline void set_number(struct record *r, int which, s64 value, u32 unread)
{
	r->numbers[which] = value;
	if (value < 0)
		r->fields |= unread;
}

// fill_task sets what is told of the task, of its process and of its parent.
static __always_inline void fill_task(struct record *r)
{
	FILL_NUMBERS
	if (HOLDS(FIELD_PCOMM))
		bpf_probe_read_kernel(r->pcomm, TASK_COMM_LEN,
				      (void *)member(task_member(TASK_REAL_PARENT), TASK_GROUP_LEADER) + TASK_COMM);
	if (HOLDS(FIELD_PROCESS))
		bpf_probe_read_kernel(r->process, TASK_COMM_LEN,
				      (void *)task_member(TASK_GROUP_LEADER) + TASK_COMM);
}

// fill_args sets the arguments that the program was executed with: what it makes of its memory later does
// not matter.
static __always_inline void fill_args(struct record *r)
{
	if (!HOLDS(FIELD_ARGS))
		return;

	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct args *args = program_args.lookup(&tgid);

	if (args)
		__builtin_memcpy(r->args, args, sizeof(*args));
	else
		r->args->size = 0;
}

// fill sets what is known of a record at the entry of its call, but the name.
static __always_inline void fill(struct record *r, u64 id, struct open_args *args)
{
	u64 local = local_id(id), cgroup;

	if (local)
		id = local;
	r->tgid = id >> 32;
	r->tid = id;
	r->fields = FIELDS;
	r->kind = args->kind;
	read_comm((u64 *)r->comm);
	if (HOLDS(FIELD_RESULT))
		*r->result = RESULT_UNKNOWN;
	fill_task(r);
	fill_args(r);
	fill_ancestors(r);
	if (HOLDS(FIELD_CGROUP)) {
		cgroup = bpf_get_current_cgroup_id();
		r->cgroup[0] = cgroup;
		r->cgroup[1] = cgroup >> 32 | (u32)in_cgroup_namespace() << 31;
	}
	clear_paths(r);
	if (HOLDS(FIELD_PATH)) {
		r->path->dfd = args->dfd;
		if (args->in_root)
			r->path->base.state |= WALK_IN_ROOT;
	}
	set_flags(r, args);
	set_began(r, 0);
}

// count_lost counts a record that did not get out, with the error of that.
static __always_inline void count_lost(long error)
{
	// The ring's own count of lost records reaches the reader only with the next
	// record that fits; this one is right at any time.
	bool full = error == -ENOSPC;

	add(full ? LOST_BUFFER : LOST_CPU, 1);
	if (!full) // if not now, then next time
		note(DEAD_CPUS, slot_read(DEAD_CPUS) | 1ULL << (bpf_get_smp_processor_id() & 63));
}

// submit_sized sends a record with so many bytes of strings.
static __always_inline void submit_sized(void *ctx, struct record *r, u32 size)
{
	long error;

	r->time = bpf_ktime_get_ns();
	set_took(r, r->time);
	error = output(ctx, r, FIXED_SIZE + size);
	if (error)
		count_lost(error);
}

// submit sends a record.
static __always_inline void submit(void *ctx, struct record *r)
{
	submit_sized(ctx, r, strings_size(r));
}

// set_address puts the address of a name into its place; kind says why.
static __always_inline void set_address(struct record *r, enum name_kind kind, u64 address)
{
	r->name_kind = kind;
	r->name_len = sizeof(address);
	__builtin_memcpy(r->name, &address, sizeof(address));
}

// set_name takes the name that was read into a record with the result n >= 0, which counts
// the NUL; for an empty name of a program it is 0 before Linux 6.10.
static __always_inline void set_name(struct record *r, long n)
{
	r->name_kind = NAME_READ;
	r->name_len = n ? n - 1 : 0;
}

// set_read takes a name that was read with the result n, or its address, of that kind.
static __always_inline void set_read(struct record *r, long n, enum name_kind kind, u64 address)
{
	if (n < 0)
		set_address(r, kind, address);
	else
		set_name(r, n);
}

// read_kernel_name takes a name that the kernel has into a record.
static __always_inline void read_kernel_name(struct record *r, const char *name)
{
	set_read(r, bpf_probe_read_kernel_str(r->name, PATH_MAX, name), NAME_BAD, (u64)name);
}

// deferred_name is where the name goes of a call that was recorded without.
static __always_inline char *deferred_name(struct record *r)
{
	if (HOLDS(FIELD_PATH))
		r->path->base.state |= WALK_NAME_LAST;
	return name_of(r);
}

// set_deferred_name is set_read of one that was read there.
static __always_inline void set_deferred_name(struct record *r, long n, enum name_kind kind, u64 address)
{
	if (HOLDS(FIELD_PATH) && n < 0)
		r->path->base.state &= ~WALK_NAME_LAST;
	set_read(r, n, kind, address);
}

// name_in_root reports whether also a name with a slash in front is relative.
static __always_inline bool name_in_root(struct record *r)
{
	return HOLDS(FIELD_PATH) && r->path->base.state & WALK_IN_ROOT;
}

// record_wanted reports whether the name of a record may be wanted. One that is not known may be
// any, but for a bad one: the kernel could not read that either.
static __always_inline bool record_wanted(struct record *r)
{
	if (r->name_kind == NAME_READ)
		return name_wanted(name_of(r), name_in_root(r));
	return BAD_NAMES || r->name_kind != NAME_BAD;
}

// read_name reads the name that a call passes, if it has one and its page is in memory.
static __always_inline void read_name(struct record *r, struct open_args *args)
{
	if (args->by_handle)
		set_address(r, NAME_HANDLE, args->name);
	else
		set_read(r, bpf_probe_read_user_str(r->name, PATH_MAX, (void *)args->name), NAME_UNSEEN,
			 args->name);
}

// slow_enough reports whether calls are wanted that took as long as one that has ended now, or may
// have.
static __always_inline bool slow_enough(struct record *r)
{
	// What follows before the record is submitted is no part of the call.
	if (HOLDS(FIELD_TOOK) && (HOLDS(FIELD_FILE) || SLOWER))
		set_took(r, bpf_ktime_get_ns());
	return !SLOWER || !*r->took || *r->took > SLOWER;
}

// set_result sets the result of a call; false if calls that end so are not wanted.
static __always_inline bool set_result(struct record *r, s64 result)
{
	if (HOLDS(FIELD_RESULT))
		*r->result = result;
	return result_wanted(result) && slow_enough(r);
}

// read_missing_flags reads the flags of a call at its end, if their page was not in memory
// at the entry. False if they are not wanted.
static __always_inline bool read_missing_flags(struct record *r, struct pt_regs *regs)
{
	struct open_args args = {};

	if (!HOLDS(FIELD_FLAGS) || !(r->fields & FLAGS_UNREAD) || !read_open_args(regs, syscall_nr(regs), &args))
		return true;
	if (args.flags_read && !flags_wanted(args.flags))
		return false;
	set_flags(r, &args);
	return true;
}
