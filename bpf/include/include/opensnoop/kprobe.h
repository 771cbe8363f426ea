// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_KPROBE_H
#define _OPENSNOOP_KPROBE_H

// The kernel's own open function, by kprobes.

#include <opensnoop/filename.h>
#include <opensnoop/trace.h>

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
static __always_inline int on_open_enter(struct pt_regs *ctx)
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

static __always_inline int on_open_return(struct pt_regs *ctx)
{
	trace_return(ctx, NULL, 0);
	return 0;
}

// do_filp_open(int dfd, struct filename *pathname, const struct open_flags *op)
// follows once the kernel has its own copy of the name. A call that then blocks
// still shows at once, and when many blocked calls have used up the instances of
// the return probe, no name is missed.
static __always_inline int on_open_named(struct pt_regs *ctx)
{
	u64 id = bpf_get_current_pid_tgid(), address;
	struct filename_start filename = {};
	struct record *r;
	struct pending_call *call;
	int zero = 0;
	long n;

	if (none_pending())
		return 0;
	call = find_pending(&id);
	if (!call)
		return 0;
	// Where struct filename is another, the address does not match, and the
	// return probe serves.
	bpf_probe_read_kernel(&filename, sizeof(filename), (void *)PT_REGS_PARM2(ctx));
	if (filename.uptr != call->name)
		return 0;
	r = scratch_record(&zero);
	if (!r || !take_pending(id, r, &address))
		return 0;
	n = bpf_probe_read_kernel_str(r->name, sizeof(r->name), filename.name);
	submit_named(ctx, r, n, NAME_UNSEEN, address);
	return 0;
}

#endif
