// SPDX-License-Identifier: GPL-2.0-only
// The system calls that open, on arm64: its own and those of 32-bit programs.

#define O_LARGEFILE 0400000

// is_compat reports whether the current thread is of a 32-bit program.
static __always_inline bool is_compat(void)
{
	// thread_info.flags leads task_struct; TIF_32BIT is bit 22.
	return LOAD((u64 *)CURRENT_TASK) & (1 << 22);
}

// is_open reports cheaply whether a call of this number may be an open.
static __always_inline bool is_open(u64 nr)
{
	switch (nr) {
	case 56:  // openat; compat: lchown32
	case 437: // openat2 in both
	case 5:   // compat open; getxattr
	case 8:   // compat creat; listxattr
	case 322: // compat openat
	case 265: // open_by_handle_at; compat: clock_nanosleep
	case 371: // compat open_by_handle_at; in neither before
#if EXECS
	case 221: // execve
	case 281: // execveat
	case 11:  // compat execve; fremovexattr
	case 387: // compat execveat
#endif
#if LOOKUPS
	case 48:  // faccessat, readlinkat, newfstatat, statx
	case 78:
	case 79:
	case 291:
	case 439: // faccessat2 in both
	case 106: // compat stat, lstat, stat64 and lstat64
	case 107:
	case 195:
	case 196:
	case 33: // compat access, readlink, fstatat64, readlinkat, faccessat and statx
	case 85:
	case 327:
	case 332:
	case 334:
	case 397:
#endif
		return true;
	}
	return false;
}

static __always_inline enum open_call open_call_of(u64 nr, bool compat)
{
	if (compat) {
		switch (nr) {
		case 5: return OPEN;
		case 8: return CREAT;
		case 322: return OPENAT;
		case 437: return OPENAT2;
		case 371: return BY_HANDLE;
#if EXECS
		case 11: return EXECVE;
		case 387: return EXECVEAT;
#endif
#if LOOKUPS
		case 106:
		case 107:
		case 195:
		case 196: return STAT;
		case 33: return ACCESS;
		case 85: return READLINK;
		case 327: return FSTATAT;
		case 332: return READLINKAT;
		case 334: return FACCESSAT;
		case 397: return STATX;
		case 439: return FACCESSAT2;
#endif
		}
		return NOT_AN_OPEN;
	}
	switch (nr) {
	case 56: return OPENAT;
	case 437: return OPENAT2;
	case 265: return BY_HANDLE;
#if EXECS
	case 221: return EXECVE;
	case 281: return EXECVEAT;
#endif
#if LOOKUPS
	case 48: return FACCESSAT;
	case 78: return READLINKAT;
	case 79: return FSTATAT;
	case 291: return STATX;
	case 439: return FACCESSAT2;
#endif
	}
	return NOT_AN_OPEN;
}

// argument returns where the n-th argument is saved, from 0. The first one's
// register takes the result.
static __always_inline u64 *argument(struct pt_regs *regs, bool compat, int n)
{
	return n ? &regs->regs[n] : &regs->orig_x0;
}

#define SYSCALL_RESULT regs[0]
#define SYSCALL_NR syscallno

static __always_inline u64 syscall_nr(struct pt_regs *regs)
{
	return LOAD(&regs->SYSCALL_NR);
}
