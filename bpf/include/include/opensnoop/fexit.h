// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_FEXIT_H
#define _OPENSNOOP_FEXIT_H

// Results, by the return of the kernel's own open function alone.
//
// Nothing is kept of a call that is under way, so that it is cheap. What a program's memory
// holds after its call is not what the kernel has opened: the name is the kernel's copy, which
// another function gets a moment before. Between the two the thread hardly ever waits, and its
// CPU's memory holds the name.

#include <opensnoop/kprobe.h>

#if defined(PROBE_FENTRY) && FIELDS & FIELD_RESULT

#define ENOENT 2
#define E2BIG 7
#define EAGAIN 11
#define ENOMEM 12
#define EINVAL 22
#define EMFILE 24
#define ENAMETOOLONG 36

// do_filp_open(int dfd, struct filename *pathname, const struct open_flags *op), do_file_open
// since Linux 7.0. It opens what is executed, too, and files for io_uring.
static __always_inline int on_named_exit(FUNCTION *ctx)
{
	struct filename *filename = (void *)PARM2(ctx);
	struct pt_regs *regs = current_regs(NULL);
	u64 id = bpf_get_current_pid_tgid();
	u64 local = local_id(id);
	struct open_args args = {};
	const char *name = NULL;
	struct call *c;
	long n;

	if (is_self(local) || !chosen(local))
		return 0;
	c = scratch_call(SCRATCH_NAMED);
	if (!c)
		return 0;
	c->id = 0;
	c->nr = syscall_nr(regs);
	if (!read_open_args(regs, c->nr, &args) ||
	    bpf_probe_read_kernel(&name, sizeof(name), &filename->name))
		return 0;
	n = bpf_probe_read_kernel_str(c->record.name, PATH_MAX, name);
	if (n < 0)
		return 0;
	set_name(&c->record, n);
	c->address = args.name;
	c->id = id;
	return 0;
}

// fails_early reports whether a call may end so before the kernel looks for a file. It has not
// waited for one then, and the program's memory is as it was.
static __always_inline bool fails_early(s64 result, u32 name_len)
{
	switch (result) {
	case -ENOENT: return !name_len;
	case -E2BIG:
	case -EAGAIN:
	case -ENOMEM:
	case -EFAULT:
	case -EINVAL:
	case -EMFILE:
	case -ENAMETOOLONG: return true;
	}
	return false;
}

// read_name_after reads the name of a call that has ended, and of which the kernel's copy was
// not seen.
static __always_inline void read_name_after(struct record *r, struct open_args *args, s64 result)
{
	read_name(r, args);
	if (r->name_kind == NAME_UNSEEN && result == -EFAULT)
		r->name_kind = NAME_BAD;
	else if (r->name_kind == NAME_READ && !fails_early(result, r->name_len))
		set_address(r, NAME_UNSEEN, args->name);
}

// exited records a call that has ended.
static __always_inline void exited(FUNCTION *ctx, u64 id, struct open_args *args, s64 result)
{
	struct call *c = scratch_call(SCRATCH_NAMED), *before = scratch_call(SCRATCH_INTERRUPTED);
	struct record *r;
	bool named;

	if (!c || !before)
		return;
	named = c->id == id && c->address == args->name && c->nr == args->nr;
	c->id = 0;
	restart(before, id, args);
	if (!is_interruption(result) && !result_wanted(result))
		return;
	if (args->flags_read && !flags_wanted(args->flags))
		return;
	r = &c->record;
	if (!named)
		read_name_after(r, args, result);
	if (!record_wanted(r))
		return;
	fill(r, id, args);
	c->address = args->name;
	c->nr = args->nr;
	if (is_interruption(result))
		interrupt(ctx, c, id, current_regs(NULL));
	else
		end_call(ctx, c, result);
}

// read_how puts what the kernel has taken of openat2's `how` in the place of what is in the
// program's memory now. It has added O_LARGEFILE.
static __always_inline void read_how(FUNCTION *ctx, struct open_args *args)
{
#if FIELDS & FIELD_FLAGS
	struct open_how how = {};

	if (bpf_probe_read_kernel(&how, sizeof(how), (void *)PARM3(ctx)))
		return;
	if (!args->flags_read || (args->flags | O_LARGEFILE) != (how.flags | O_LARGEFILE))
		take_how(args, &how);
	args->mode = how.mode;
#endif
}

// refuses_early reports whether the kernel refuses an openat2 so before it comes to its open
// function.
static __always_inline bool refuses_early(s64 result)
{
	return result == -EINVAL || result == -E2BIG || result == -EFAULT;
}

// do_sys_openat2(int dfd, const char __user *filename, struct open_how *how), and
// do_handle_open(int mountdirfd, struct file_handle __user *ufh, int open_flag).
static __always_inline int on_open_exit(FUNCTION *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	struct pt_regs *regs = current_regs(NULL);
	s64 result = (s32)PARM4(ctx);
	struct open_args args = {};
	struct call *seen;

	if (!traced(id))
		return 0;
	args.nr = syscall_nr(regs);
	if (!read_open_args(regs, args.nr, &args)) {
		args.name = PARM2(ctx);
		read_how(ctx, &args);
	} else if (may_be_openat2(args.nr)) {
		read_how(ctx, &args);
		// The memory of entries, of which there are none, notes the call for its next return.
		seen = scratch_call(SCRATCH_ENTER);
		if (seen && refuses_early(result))
			seen->id = id;
	}
	exited(ctx, id, &args, result);
	return 0;
}

// __x64_sys_openat2(const struct pt_regs *regs) and its like, at their return.
static __always_inline int on_openat2_exit(FUNCTION *ctx)
{
	struct call *seen = scratch_call(SCRATCH_ENTER);
	struct pt_regs *regs = current_regs(NULL);
	u64 id = bpf_get_current_pid_tgid();
	s64 result = (s32)PARM2(ctx);
	struct open_args args = {};
	bool known;

	if (!seen || !refuses_early(result))
		return 0;
	known = seen->id == id;
	seen->id = 0;
	if (!known && traced(id) && read_open_args(regs, syscall_nr(regs), &args))
		exited(ctx, id, &args, result);
	return 0;
}

static __always_inline int on_sigreturn_exit(FUNCTION *ctx)
{
	return end_interrupted(ctx);
}

#endif

#endif
