// SPDX-License-Identifier: GPL-2.0-only

// The current task: its registers, what it points to, and its number for the tracer.

#include <uapi/linux/ptrace.h>

// HAS reports whether the kernel, or this program, has what an offset or a number is of: if not, it is -1.
#define HAS(offset) ((offset) != -1)

// A function of the kernel, by the number of its type: internal/object takes it for that by the bit.
static void *(*bpf_rdonly_cast)(void *address, u32 type) = (void *)(1L << 27 | RDONLY_CAST);

// BY_LOADS is whether the kernel's memory is read by plain loads: since Linux 6.2, but not with the locks
// of a debugging kernel.
#define BY_LOADS (HAS(RDONLY_CAST) && DENTRY_INAME <= 128)

// view returns where the kernel's memory at an address can be loaded from, from an offset on: what cannot
// be read is 0. The verifier takes any address for one of a structure that we say: of struct pt_regs,
// which is a row of words. Where there are no loads, it is read into `copy`.
static __always_inline void *view(u64 address, u32 from, void *copy, u32 size)
{
	if (BY_LOADS)
		return bpf_rdonly_cast((void *)address, VIEW_TYPE);
	bpf_probe_read_kernel(copy, size, (void *)address + from);
	return copy - from;
}

// member reads a pointer, or an integer of 8 bytes, out of a kernel structure.
static __always_inline u64 member(u64 structure, u32 offset)
{
	u64 copy = 0;

	return *(volatile u64 *)view(structure + offset, 0, &copy, sizeof(copy));
}

// LOAD reads an integer of 8 bytes of the current task or of its registers. Where the verifier
// knows what these pointers point to, that is an instruction and no call.
#if TASK_REGS
#define CURRENT_TASK ((void *)bpf_get_current_task_btf())
#define LOAD(address) (*(address))
#else
#define CURRENT_TASK ((void *)bpf_get_current_task())
// By a function: libbcc rewrites a macro's own dereference of a pointer that came from the program's
// context.
#define LOAD(address) member((u64)(address), 0)
#endif

// task_member is the same of the current task. It is no LOAD: the verifier takes some ms for
// each pointer that is read out of a task that it knows, as Linux looks for what else it may
// know of it.
static __always_inline u64 task_member(u32 offset)
{
	return member(bpf_get_current_task(), offset);
}

#define FIRST_CGROUP_NS 0xEFFFFFFBU // PROC_CGROUP_INIT_INO of include/linux/proc_ns.h

// in_cgroup_namespace is whether the current task is in a cgroup namespace of its own, as
// of a container.
static __always_inline bool in_cgroup_namespace(void)
{
	u64 ns = member(task_member(TASK_NSPROXY), NSPROXY_CGROUP_NS);
	u32 inum = member(ns, CGROUP_NS_INUM);

	return inum && inum != FIRST_CGROUP_NS;
}

// is_last_thread reports, of a thread that ends, whether all others of its process have.
static __always_inline bool is_last_thread(void)
{
	return !(u32)member(task_member(TASK_SIGNAL), SIGNAL_LIVE);
}

// local_id is the current thread's pid_tgid in the tracer's pid namespace; 0 for
// a process of another one, which has no number there.
static __always_inline u64 local_id(u64 id)
{
	struct bpf_pidns_info ns = {};

	if (!PIDNS_INO)
		return id;
	if (bpf_get_ns_current_pid_tgid(PIDNS_DEV, PIDNS_INO, &ns, sizeof(ns)))
		return 0;
	return (u64)ns.tgid << 32 | ns.pid;
}

// current_regs are the registers that the current thread's system call began with;
// saved is where a tracepoint says that they are.
static __always_inline struct pt_regs *current_regs(void *saved)
{
	return TASK_REGS ? (struct pt_regs *)bpf_task_pt_regs(CURRENT_TASK) : saved;
}
