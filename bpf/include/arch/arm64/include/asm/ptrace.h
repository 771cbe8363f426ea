// SPDX-License-Identifier: GPL-2.0-only
// The registers as the kernel saves them at an entry, in the order of
// arch/arm64/include/asm/ptrace.h.
struct user_pt_regs {
	u64 regs[31];
	u64 sp, pc, pstate;
};

struct pt_regs {
	union {
		struct user_pt_regs user_regs;
		struct {
			u64 regs[31];
			u64 sp, pc, pstate;
		};
	};
	u64 orig_x0;
	s32 syscallno;
};

// The arguments of a kernel function, in a kprobe, after the C calling conventions; libbcc's own
// headers have them too. The parameter must not have the name of a member: it would stand for that
// too.
#ifndef PT_REGS_PARM1
#define PT_REGS_PARM1(ctx) ((ctx)->regs[0])
#define PT_REGS_PARM2(ctx) ((ctx)->regs[1])
#define PT_REGS_PARM3(ctx) ((ctx)->regs[2])
#define PT_REGS_PARM4(ctx) ((ctx)->regs[3])
#define PT_REGS_RC(ctx) ((ctx)->regs[0])
#endif
