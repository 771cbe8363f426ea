// SPDX-License-Identifier: GPL-2.0-only

// Programs that are executed: the files that the kernel opens for that.
//
// The call is one that opens its program. What the kernel opens besides, interpreters of scripts
// and the loader, are opens of their own, which the kernel does one after the other: when it goes
// on, the one before has succeeded, and the call's error is the last one's.

#include <opensnoop/trace.h>

// fill_executed sets the record of a file that is opened for a program; false if it is not wanted.
static __always_inline bool fill_executed(struct call *c, u64 id, void *name)
{
	struct open_args args = {};

	args.dfd = AT_FDCWD;
	args.flags_read = true;
	args.kind = EXECUTED;
	if (!flags_wanted(0))
		return false;
	fill(&c->record, id, &args);
	read_kernel_name(&c->record, name);
	c->address = 0;
	c->nr = NR_ANY;
	c->id = EXEC_ID(id);
	return record_wanted(&c->record);
}

// __x64_sys_execve(const struct pt_regs *regs) and its like
static __always_inline int on_exec_enter(struct pt_regs *ctx)
{
	trace_current(ctx, (void *)PT_REGS_PARM1(ctx));
	return 0;
}

// open_executed begins the record of a file that the kernel opens by this name.
static __always_inline int open_executed(struct pt_regs *ctx, u64 name)
{
	u64 id = bpf_get_current_pid_tgid();
	struct call *c = scratch_call(SCRATCH_ENTER);

	if (!c || !is_traced(id))
		return 0;
	if (take_pending(c, EXEC_ID(id)))
		end_call(ctx, c, 0);
	if (!fill_executed(c, id, (void *)name))
		return 0;
	if (needs_walk(c))
		walk(ctx, c, SCRATCH_ENTER);
	keep_shared(c);
	entered(ctx, c);
	return 0;
}

// open_exec(const char *name)
static __always_inline int on_exec_open(struct pt_regs *ctx)
{
	return open_executed(ctx, PT_REGS_PARM1(ctx));
}

// bprm_open_interpreter(struct linux_binprm *bprm, const char *path), since Linux 7.0, for loaders
static __always_inline int on_exec_loader(struct pt_regs *ctx)
{
	return open_executed(ctx, PT_REGS_PARM2(ctx));
}

// end_exec ends the call of a program that runs now.
static __always_inline void end_exec(void *ctx, struct call *c, u64 id, u64 bprm)
{
	struct record *r = &c->record;

	if (take_pending(c, EXEC_ID(id)))
		end_call(ctx, c, 0);
	if (!take_pending(c, id)) {
		if (PROBE_TRACEPOINT && result_wanted(0) && is_chosen(local_id(id)) && flags_wanted(0))
			add(LOST_ENTRY, 1);
		return;
	}
	if (r->kind == EXECUTED && r->name_kind == NAME_UNSEEN) {
		// The program's memory, where the name was, is gone.
		long n = bpf_probe_read_kernel_str(deferred_name(r), PATH_MAX,
						   (void *)member(bprm, BPRM_FILENAME));

		set_deferred_name(r, n, NAME_UNSEEN, c->address);
		if (!record_wanted(r))
			return;
	}
	end_call(ctx, c, r->kind == EXECUTED ? 0 : RESULT_UNKNOWN);
}

// show_interpreter shows the last interpreter of a script, where nothing has seen it opened.
static __always_inline void show_interpreter(void *ctx, struct call *c, u64 id, u64 bprm)
{
	if (!PROBE_TRACEPOINT)
		return;

	u64 name = member(bprm, BPRM_INTERP);

	if (name == member(bprm, BPRM_FILENAME) || !is_traced(id) ||
	    !fill_executed(c, id, (void *)name))
		return;
	walk(ctx, c, SCRATCH_EXEC);
	end_call(ctx, c, 0);
}

// read_args reads those of the program that the current process has just executed.
static __always_inline void read_args(void)
{
	if (!HOLDS(FIELD_ARGS))
		return;

	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u64 mm = task_member(TASK_MM);
	u64 start = member(mm, MM_ARG_START);
	u64 size = member(mm, MM_ARG_END) - start;
	struct args args = { .size = size };

	asm volatile("" : "+r"(size)); // for the verifier to see what is compared
	if (size > ARGS_MAX)
		size = ARGS_MAX;
	if (bpf_probe_read_user(args.bytes, size, (void *)start))
		args.size = 0;
	program_args.update(&tgid, &args);
}

// sched_process_exec(struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm). The
// thread that calls has then the number of the first one; old_pid is its own.
static __always_inline int on_task_exec(struct bpf_raw_tracepoint_args *ctx)
{
	read_args();
	if (!EXECS)
		return 0;

	struct call *c = scratch_call(SCRATCH_EXEC);
	u64 id = bpf_get_current_pid_tgid();

	if (!c)
		return 0;
	end_exec(ctx, c, (id >> 32 << 32) | (u32)ctx->args[1], ctx->args[2]);
	show_interpreter(ctx, c, id, ctx->args[2]);
	return 0;
}
