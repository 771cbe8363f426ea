// SPDX-License-Identifier: GPL-2.0-only
// The registers as the kernel saves them at an entry, in the order of
// arch/x86/entry/calling.h.
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax; // the system call's number
	unsigned long ip, cs, flags, sp, ss;
};

// The arguments of a kernel function, in a kprobe, after the C calling conventions; libbcc's own
// headers have them too. The parameter must not have the name of a member: it would stand for that
// too.
#ifndef PT_REGS_PARM1
#define PT_REGS_PARM1(ctx) ((ctx)->di)
#define PT_REGS_PARM2(ctx) ((ctx)->si)
#define PT_REGS_PARM3(ctx) ((ctx)->dx)
#define PT_REGS_PARM4(ctx) ((ctx)->cx)
#define PT_REGS_RC(ctx) ((ctx)->ax)
#endif
