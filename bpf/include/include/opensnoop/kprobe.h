// SPDX-License-Identifier: GPL-2.0-only

// The kernel's own open function, by kprobes or by trampolines.

#include <opensnoop/trace.h>

// What the programs get: the registers at a kprobe; at a trampoline the arguments, and behind
// them what the function returns.
#if PROBE_FENTRY
#define FUNCTION struct bpf_raw_tracepoint_args
#define PARM(n, ctx) ((ctx)->args[n - 1])
#else
#define FUNCTION struct pt_regs
#define PARM(n, ctx) PT_REGS_PARM##n(ctx)
#endif

// The start of struct filename, the kernel's copy of a name (include/linux/fs.h).
struct filename {
	const char *name;
	u64 uptr; // the address in the process, before Linux 7.0
};

// copy_of is where the kernel's copy of a name is; NULL if there is none, but an error that the
// function then returns.
static __always_inline const char *copy_of(const struct filename *filename)
{
#if TYPED_PARMS
	return filename->name;
#else
	return (void *)member((u64)filename, 0);
#endif
}

// take_how sets what the kernel has made of the flags and the mode: it adds O_LARGEFILE for 64-bit
// programs.
static __always_inline void take_how(struct open_args *args, struct open_how *how)
{
	args->flags = is_compat() ? how->flags : how->flags & ~O_LARGEFILE;
	args->mode = how->mode;
	args->flags_read = true;
}

// read_flags sets the flags and mode of the call of the kernel's open function.
// The kernel has changed what the program passed: unknown flags and a mode that has
// no use are gone, and O_LARGEFILE is added for 64-bit programs.
static __always_inline void read_flags(FUNCTION *ctx, struct open_args *args)
{
	struct pt_regs *regs = TASK_REGS && HOLDS(FIELD_FLAGS) ? current_regs(NULL) : NULL;
	struct open_how how = {};

	if (!HOLDS(FIELD_FLAGS) ||
	    (TASK_REGS && read_open_args(regs, syscall_nr(regs), args) && args->flags_read))
		return;
	if (DO_SYS_OPEN || args->by_handle)
		how.flags = (u32)PARM(3, ctx);
	if (DO_SYS_OPEN)
		how.mode = (u32)PARM(4, ctx) & ALLPERMS;
	else if (!args->by_handle)
		bpf_probe_read_kernel(&how, sizeof(how), (void *)PARM(3, ctx));
	take_how(args, &how);
}

// may_be_openat2 reports whether a call of this number may be an openat2.
static __always_inline bool may_be_openat2(u32 nr)
{
	return (nr & 0xffff) == 437; // by all tables
}

// read_base sets what a relative name is relative to.
static __always_inline void read_base(FUNCTION *ctx, struct open_args *args)
{
	if (!HOLDS(FIELD_PATH))
		return;
	args->dfd = PARM(1, ctx);
	if (!DO_SYS_OPEN && !args->by_handle && (!TASK_REGS || may_be_openat2(args->nr)))
		args->in_root = member(PARM(3, ctx), OPEN_HOW_RESOLVE) & RESOLVE_IN_ROOT;
}

// shown_at_syscall reports whether the current call has shown at the entry of its system call.
static __always_inline bool shown_at_syscall(u32 nr)
{
	if (!may_be_openat2(nr))
		return false;

	bool compat = is_compat();

	return open_call_of(nr, compat) == OPENAT2 && slot_read(HOOKED) & (compat ? HOOKED_COMPAT_OPENAT2 : HOOKED_OPENAT2);
}

// __x64_sys_openat2(const struct pt_regs *regs) and its like: the kernel refuses calls with a `how`
// that it cannot take before they come to its open function. And since Linux 5.15
// do_handle_open(int mountdirfd, struct file_handle __user *ufh, int open_flag).
static __always_inline int on_openat2_enter(FUNCTION *ctx)
{
	if (TASK_REGS)
		trace_current(ctx, NULL);
	return 0;
}

// enter begins the record of a call of a function whose second argument is the name, or
// the file handle. False if it is none to be recorded here.
static __always_inline bool enter(FUNCTION *ctx, bool by_handle)
{
	u64 id = bpf_get_current_pid_tgid();
	struct open_args args = {};

	if (!is_traced(id))
		return false;
	args.nr = NR_ANY;
	args.by_handle = by_handle;
#if TASK_REGS
	struct pt_regs *regs = current_regs(NULL);

	args.nr = syscall_nr(regs);
	args.regs = regs;
	if (!by_handle && shown_at_syscall(args.nr))
		return false;
#endif
	read_base(ctx, &args);
	read_flags(ctx, &args);
	args.name = PARM(2, ctx);
	trace_enter(ctx, id, &args);
	return true;
}

// do_sys_openat2(int dfd, const char __user *filename, struct open_how *how),
// do_sys_open(int dfd, const char __user *filename, int flags, umode_t mode)
// before 5.6.
static __always_inline int on_open_enter(FUNCTION *ctx)
{
	enter(ctx, false);
	return 0;
}

// do_handle_open(int mountdirfd, struct file_handle __user *ufh, int open_flag)
static __always_inline int on_handle_enter(FUNCTION *ctx)
{
	enter(ctx, true);
	return 0;
}

static __always_inline int on_open_return(struct pt_regs *ctx)
{
	trace_return(ctx, current_regs(NULL), (s32)PT_REGS_RC(ctx));
	return 0;
}

// is_name_of reports whether the kernel's copy of a name is of this call.
static __always_inline bool is_name_of(struct call *call, struct filename *filename)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
	if (TYPED_PARMS)
		return filename->uptr == call->address;
	if (HAS(RDONLY_CAST) || !TASK_REGS)
		return member((u64)&filename->uptr, 0) == call->address;
#endif
	// Since Linux 7.0 the copy does not tell where it comes from. The call that the
	// thread is in does: one that is pending without a name by its number alone.
	struct pt_regs *regs = current_regs(NULL);
	struct open_args args = {};

	if ((u32)syscall_nr(regs) != (u32)call->nr)
		return false;
	return NAMES_COPIED || (read_open_args(regs, call->nr, &args) && args.name == call->address);
}

// compare_name compares the name of a pending call, as it was at the entry, with the kernel's copy.
static __always_inline void compare_name(struct call *kept, u64 id, const char *copy)
{
	struct record *r = &kept->record;
	u32 len = strings_size(r);

	if (!HOLDS(FIELD_RESULT))
		return;
	kept->nr |= NR_COMPARED;

	struct call *c = scratch_call(SCRATCH_NAMED);
	char *name;
	bool same;

	if (!c)
		return;

	long n = bpf_probe_read_kernel_str(c->record.name, PATH_MAX, copy);

	if (len <= SHORT_NAME) {
		same = is_same(r->name, r->name_len, SHORT_NAME, c->record.name, n);
	} else {
		name = find_long_name(&id, len);
		if (len <= LONG_NAME)
			same = name && is_same(name, r->name_len, LONG_NAME, c->record.name, n);
		else
			same = name && is_same(name, r->name_len, PATH_MAX, c->record.name, n);
	}
	if (!same)
		r->name_kind = NAME_UNSURE;
}

// read_short reads a name of the kernel's of less than SHORT_NAME bytes, as bpf_probe_read_kernel_str
// does: what it returns for a longer one is no less. By words it takes a fifth of the instructions.
static __always_inline long read_short(char *name, const char *copy)
{
	if (!HAS(RDONLY_CAST))
		return bpf_probe_read_kernel_str(name, SHORT_NAME, copy);

	const u64 *from = bpf_rdonly_cast((void *)copy, VIEW_TYPE);

#pragma unroll
	for (int i = 0; i < SHORT_NAME / (int)sizeof(u64); i++) {
		u64 word = from[i], end = (word - 0x0101010101010101) & ~word & 0x8080808080808080;

		((u64 *)name)[i] = word;
		if (end) // its lowest bit is the NUL's
			return i * sizeof(word) + (((end & -end) >> 7) * 0x01020304050607 >> 56) + 1;
	}
	return SHORT_NAME;
}

// take_name takes the kernel's copy of the name of a pending call that has none yet.
static __always_inline void take_name(void *ctx, struct call *kept, u64 id, const char *copy)
{
	struct call *c;
	long n;

	if (NAMES_COPIED) {
		n = read_short(kept->record.name, copy);
		if (n >= 0 && n < SHORT_NAME) {
			set_name(&kept->record, n);
			return;
		}
	}
	c = scratch_call(SCRATCH_NAMED);
	if (!c || !take_pending(c, id))
		return;
	n = bpf_probe_read_kernel_str(deferred_name(&c->record), PATH_MAX, copy);
	set_deferred_name(&c->record, n, NAME_UNSEEN, c->address);
	if (!record_wanted(&c->record))
		return;
	entered(ctx, c);
}

// show_renamed shows a call that was dropped at its entry for its name, if the kernel's copy is
// another one that is wanted. Nothing has been walked for that.
static __always_inline void show_renamed(void *ctx, struct filename *filename)
{
	if (!BY_NAME)
		return;

	struct call *c = scratch_call(SCRATCH_ENTER), *copied = scratch_call(SCRATCH_NAMED);

	if (!c || !copied || !c->dropped || c->id != bpf_get_current_pid_tgid() || !is_name_of(c, filename))
		return;
	c->dropped = false;

	struct record *r = &c->record;
	const char *copy = copy_of(filename);

	if (!copy)
		return;

	long n = bpf_probe_read_kernel_str(copied->record.name, PATH_MAX, copy);

	if (n < 0 || is_same(r->name, r->name_len, PATH_MAX, copied->record.name, n))
		return;
	clear_paths(r);
	if (HOLDS(FIELD_EXE))
		r->exe->state = WALK_CHANGED;
	read_kernel_name(r, copy);
	if (!record_wanted(r))
		return;
	needs_walk(c);
	keep_shared(c);
	entered(ctx, c);
}

// A thread that the kernel was making when it began to trace functions has no stack for returns:
// sessions do not see its calls. They show here, and nobody sees their ends.
static __always_inline bool is_unstacked(void)
{
	return HAS(TASK_RET_STACK) && !LOAD((u64 *)(CURRENT_TASK + TASK_RET_STACK));
}

// begins_named reports whether a call of the thread begins here. kept is the call that it has pending: if
// that has its name already, its end was not seen.
static __always_inline bool begins_named(struct call *kept)
{
	if (BEGINS_NAMED)
		return names_later() && (!kept || kept->record.name_kind == NAME_READ);
	return !kept && is_unstacked();
}

// begin_named begins the call, if the thread is inside a system call that opens. The kernel may also open
// files for io_uring at the end of one: then the result is no longer -ENOSYS.
static __always_inline struct call *begin_named(void *ctx, u64 id)
{
	struct pt_regs *regs = current_regs(NULL);

	if ((s64)LOAD(&regs->SYSCALL_RESULT) != -ENOSYS || !is_traced(id))
		return NULL;
	trace_call(ctx, id, regs, syscall_nr(regs));
	return find_call(id);
}

static __always_inline void end_unstacked(void *ctx, u64 id)
{
	struct call *c = scratch_call(SCRATCH_NAMED);

	if (!c || !take_pending(c, id))
		return;
	if (HOLDS(FIELD_RESULT))
		add(result_wanted(RESULT_UNKNOWN) ? UNFINISHED_FORKED : LOST_FORKED, 1);
	end_call(ctx, c, RESULT_UNKNOWN);
}

// named looks at the kernel's copy of the name of a call that is pending, and may have begun here.
static __always_inline void named(void *ctx, struct call *kept, u64 id, struct filename *filename, bool begun)
{
	const char *copy;

	if (kept->record.name_kind != NAME_UNSEEN &&
	    (kept->record.name_kind != NAME_READ || names_later() || kept->nr & NR_COMPARED))
		return;
	if (!(BEGINS_NAMED && begun) && !is_name_of(kept, filename))
		return;
	copy = copy_of(filename);
	if (!copy)
		return;
	if (kept->record.name_kind == NAME_UNSEEN)
		take_name(ctx, kept, id, copy);
	else
		compare_name(kept, id, copy);
}

// do_filp_open(int dfd, struct filename *pathname, const struct open_flags *op),
// do_file_open since Linux 7.0, follows once the kernel has its own copy of the name: what
// it opens, whatever happens to the program's. A call that then blocks still shows at once,
// and when many blocked calls have used up the instances of the return probe, no name is
// missed.
static __always_inline int on_open_named(FUNCTION *ctx)
{
	struct filename *filename = (void *)PARM(2, ctx);
	struct call *kept = NULL;
	bool begun = false;
	u64 id = 0;

	if (!none_pending()) {
		id = bpf_get_current_pid_tgid();
		kept = find_call(id);
	}
	if (begins_named(kept)) {
		kept = begin_named(ctx, id);
		begun = kept;
	}
	if (kept)
		named(ctx, kept, id, filename, begun);
	else
		show_renamed(ctx, filename);
	if (begun && is_unstacked())
		end_unstacked(ctx, id);
	return 0;
}
