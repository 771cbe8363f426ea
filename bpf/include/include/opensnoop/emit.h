// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_EMIT_H
#define _OPENSNOOP_EMIT_H

// Filling records and giving them out.

#include <opensnoop/ancestors.h>
#include <opensnoop/args.h>
#include <opensnoop/filter.h>
#include <opensnoop/maps.h>
#include <opensnoop/record.h>
#include <opensnoop/syscall.h>

// set_flags sets a record's part of flags.
static __always_inline void set_flags(struct record *r, struct open_args *args)
{
#if FIELDS & FIELD_FLAGS
	*r->flags = args->flags;
	*r->mode = args->mode;
	if (args->flags_read)
		r->fields &= ~FLAGS_UNREAD;
	else
		r->fields |= FLAGS_UNREAD;
#endif
}

// forget_walks is for a record that has not got their strings.
static __always_inline void forget_walks(struct record *r)
{
#if FIELDS & FIELD_PATH
	r->path->base.len = 0;
	r->path->base.state = WALK_NONE;
	r->path->root.len = 0;
	r->path->root.state = WALK_NONE;
#endif
#if FIELDS & FIELD_EXE
	r->exe->len = 0;
	r->exe->state = WALK_NONE;
#endif
#if FIELDS & FIELD_FILE
	r->file->real.len = 0;
	r->file->real.state = WALK_NONE;
#endif
}

// set_began sets when a call began, as a part of another record has it; 0 until it is pending.
static __always_inline void set_began(struct record *r, s64 began)
{
#if FIELDS & FIELD_TOOK
	*r->took = began;
#endif
}

static __always_inline s64 began(struct record *r)
{
#if FIELDS & FIELD_TOOK
	return *r->took;
#else
	return 0;
#endif
}

// set_took sets how long a call took that has ended now.
static __always_inline void set_took(struct record *r, u64 now)
{
#if FIELDS & FIELD_TOOK
	if (*r->took < 0)
		*r->took = *r->result == RESULT_UNKNOWN ? 0 : *r->took + now;
#endif
}

// read_comm reads the current thread's comm: it ends with a NUL, and what is behind the first
// means nothing.
static __always_inline void read_comm(u64 *comm)
{
#if defined(TASK_REGS) && defined(TASK_COMM)
	u64 *of_task = CURRENT_TASK + TASK_COMM;

	comm[0] = LOAD(of_task);
	comm[1] = LOAD(of_task + 1);
#else
	bpf_get_current_comm(comm, TASK_COMM_LEN);
#endif
}

// fill_users sets whose the process is.
static __always_inline void fill_users(struct record *r)
{
#if FIELDS & FIELD_UID
	*r->uid = bpf_get_current_uid_gid();
#endif
#if FIELDS & FIELD_GID
	*r->gid = bpf_get_current_uid_gid() >> 32;
#endif
#if FIELDS & FIELD_LOGIN
#ifdef TASK_LOGINUID
	*r->login = task_member(TASK_LOGINUID);
#else
	r->fields |= LOGIN_UNREAD;
#endif
#endif
#if FIELDS & FIELD_EUID
	*r->euid = member(task_member(TASK_CRED), CRED_EUID);
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
	r->fields = FIELDS;
	r->how = how_of(args);
	read_comm((u64 *)r->comm);
	fill_users(r);
#if FIELDS & FIELD_RESULT
	*r->result = RESULT_UNKNOWN;
#endif
#if FIELDS & FIELD_PPID
	*r->ppid = member(task_member(TASK_REAL_PARENT), TASK_TGID);
#endif
#if FIELDS & FIELD_PCOMM
	u64 leader = member(task_member(TASK_REAL_PARENT), TASK_GROUP_LEADER);

	bpf_probe_read_kernel(r->pcomm, sizeof(r->pcomm), (void *)leader + TASK_COMM);
#endif
#if FIELDS & FIELD_PROCESS
	bpf_probe_read_kernel(r->process, sizeof(r->process),
			      (void *)task_member(TASK_GROUP_LEADER) + TASK_COMM);
#endif
	fill_args(r);
	fill_depth(r);
	fill_ancestors(r);
#if FIELDS & FIELD_CGROUP
	u64 cgroup = bpf_get_current_cgroup_id();

	r->cgroup[0] = cgroup;
	r->cgroup[1] = cgroup >> 32 | (u32)in_cgroup_namespace() << 31;
#endif
#if FIELDS & FIELD_PATH
	r->path->dfd = args->dfd;
#endif
	forget_walks(r);
#if FIELDS & FIELD_PATH
	if (args->in_root)
		r->path->base.state |= WALK_IN_ROOT;
#endif
	set_flags(r, args);
	set_began(r, 0);
}

#define EBADF 9
#define EFAULT 14
#define ENOSPC 28

// count_lost counts a record that did not get out, with the error of that.
static __always_inline void count_lost(long error)
{
	// The ring's own count of lost records reaches the reader only with the next
	// record that fits; this one is right at any time.
	bool full = error == -ENOSPC;
	u64 *dead = slot(DEAD_CPUS);

	add(full ? LOST_BUFFER : LOST_CPU, 1);
	if (!full && !NO_SLOT(dead))
		*dead |= 1ULL << (bpf_get_smp_processor_id() & 63); // if not now, then next time
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

// read_kernel_name takes a name that the kernel has into a record.
static __always_inline void read_kernel_name(struct record *r, const char *name)
{
	long n = bpf_probe_read_kernel_str(r->name, PATH_MAX, name);

	if (n < 0)
		set_address(r, NAME_BAD, (u64)name);
	else
		set_name(r, n);
}

// late_name is where the name goes of a call that was recorded without.
static __always_inline char *late_name(struct record *r)
{
#if FIELDS & FIELD_PATH
	r->path->base.state |= WALK_NAME_LAST;
#endif
	return name_of(r);
}

// set_late_name takes a name that was read there with the result n, or its address.
static __always_inline void set_late_name(struct record *r, long n, enum name_kind kind,
					  u64 address)
{
	if (n >= 0) {
		set_name(r, n);
		return;
	}
#if FIELDS & FIELD_PATH
	r->path->base.state &= ~WALK_NAME_LAST;
#endif
	set_address(r, kind, address);
}

// name_in_root reports whether also a name with a slash in front is relative.
static __always_inline bool name_in_root(struct record *r)
{
#if FIELDS & FIELD_PATH
	return r->path->base.state & WALK_IN_ROOT;
#else
	return false;
#endif
}

// record_wanted reports whether the name of a record may be wanted. One that is not known may be
// any, but for a bad one: the kernel could not read that either.
static __always_inline bool record_wanted(struct record *r)
{
	if (r->name_kind == NAME_READ)
		return name_wanted(name_of(r), name_in_root(r));
#if defined(NAMES) || defined(PATHS)
	return r->name_kind != NAME_BAD;
#else
	return true;
#endif
}

// read_name reads the name that a call passes, if it has one and its page is in memory.
static __always_inline void read_name(struct record *r, struct open_args *args)
{
	long n;

	if (args->by_handle) {
		set_address(r, NAME_HANDLE, args->name);
		return;
	}
	n = bpf_probe_read_user_str(r->name, PATH_MAX, (void *)args->name);
	if (n < 0)
		set_address(r, NAME_UNSEEN, args->name);
	else
		set_name(r, n);
}

// slow_enough reports whether calls are wanted that took as long as one that has ended now, or may
// have.
static __always_inline bool slow_enough(struct record *r)
{
	// What follows before the record is submitted is no part of the call.
#if FIELDS & FIELD_TOOK && (FIELDS & FIELD_FILE || defined(SLOWER))
	set_took(r, bpf_ktime_get_ns());
#endif
#ifdef SLOWER
	return !*r->took || *r->took > SLOWER;
#else
	return true;
#endif
}

// set_result sets the result of a call; false if calls that end so are not wanted.
static __always_inline bool set_result(struct record *r, s64 result)
{
#if FIELDS & FIELD_RESULT
	*r->result = result;
#endif
	return result_wanted(result) && slow_enough(r);
}

// read_missing_flags reads the flags of a call at its end, if their page was not in memory
// at the entry. False if they are not wanted.
static __always_inline bool read_missing_flags(struct record *r, struct pt_regs *regs)
{
#if FIELDS & FIELD_FLAGS
	struct open_args args = {};

	if (!(r->fields & FLAGS_UNREAD) || !read_open_args(regs, syscall_nr(regs), &args))
		return true;
	if (args.flags_read && !flags_wanted(args.flags))
		return false;
	set_flags(r, &args);
#endif
	return true;
}

#endif
