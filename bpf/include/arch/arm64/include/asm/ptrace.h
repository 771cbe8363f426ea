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
