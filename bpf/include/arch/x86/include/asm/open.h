// SPDX-License-Identifier: GPL-2.0-only
// The system calls that open, on x86-64: its own, i386's and x32's.

#define O_LARGEFILE 0100000
#define X32 0x40000000 // __X32_SYSCALL_BIT

// is_compat reports whether the current thread is in a system call of i386.
static __always_inline bool is_compat(void)
{
	// thread_info.status, at the start of task_struct; TS_COMPAT is bit 1.
	return LOAD((u32 *)(CURRENT_TASK + THREAD_STATUS)) & 2;
}

// is_open reports cheaply whether a call of this number may be an open.
static __always_inline bool is_open(u64 nr)
{
	// clang-format off
	switch (nr) {
	case 2: case X32 | 2:     // open; i386: fork
	case 85: case X32 | 85:   // creat; i386: readlink
	case 257: case X32 | 257: // openat; i386: remap_file_pages
	case 437: case X32 | 437: // openat2 in both
	case 5:                   // i386 open; fstat
	case 8:                   // i386 creat; lseek
	case 295:                 // i386 openat; preadv
	case 304: case X32 | 304: // open_by_handle_at; i386: symlinkat
	case 342:                 // i386 open_by_handle_at
#if EXECS
	case 59: case X32 | 520:  // execve; i386: olduname
	case 322: case X32 | 545: // execveat; i386: timerfd_create
	case 11: case 358:        // i386 execve and execveat; munmap
#endif
#if LOOKUPS
	case 4: case X32 | 4:     // stat, lstat, access, readlink
	case 6: case X32 | 6:
	case 21: case X32 | 21:
	case 89: case X32 | 89:
	case 262: case X32 | 262: // newfstatat, readlinkat, faccessat, statx
	case 267: case X32 | 267:
	case 269: case X32 | 269:
	case 332: case X32 | 332:
	case 439: case X32 | 439: // faccessat2 in both
	case 18: case 84:         // i386 oldstat and oldlstat
	case 106: case 107:       // i386 stat and lstat
	case 195: case 196:       // i386 stat64 and lstat64
	case 33: case 300:        // i386 access and fstatat64
	case 305: case 307:       // i386 readlinkat and faccessat
	case 383:                 // i386 statx
#endif
		return true;
	}
	// clang-format on
	return false;
}

static __always_inline enum open_call open_call_of(u64 nr, bool compat)
{
	if (compat) {
		switch (nr) {
		case 5: return OPEN;
		case 8: return CREAT;
		case 295: return OPENAT;
		case 437: return OPENAT2;
		case 342: return BY_HANDLE;
#if EXECS
		case 11: return EXECVE;
		case 358: return EXECVEAT;
#endif
#if LOOKUPS
		case 18:
		case 84:
		case 106:
		case 107:
		case 195:
		case 196: return STAT;
		case 33: return ACCESS;
		case 85: return READLINK;
		case 300: return FSTATAT;
		case 305: return READLINKAT;
		case 307: return FACCESSAT;
		case 383: return STATX;
		case 439: return FACCESSAT2;
#endif
		}
		return NOT_AN_OPEN;
	}
	switch (nr & ~(u64)X32) {
	case 2: return OPEN;
	case 85: return CREAT;
	case 257: return OPENAT;
	case 437: return OPENAT2;
	case 304: return BY_HANDLE;
#if EXECS
	case 59:
	case 520: return EXECVE;
	case 322:
	case 545: return EXECVEAT;
#endif
#if LOOKUPS
	case 4:
	case 6: return STAT;
	case 21: return ACCESS;
	case 89: return READLINK;
	case 262: return FSTATAT;
	case 267: return READLINKAT;
	case 269: return FACCESSAT;
	case 332: return STATX;
	case 439: return FACCESSAT2;
#endif
	}
	return NOT_AN_OPEN;
}

// argument returns where the n-th argument is saved, from 0; i386 passes them in
// bx, cx, dx, si.
static __always_inline unsigned long *argument(struct pt_regs *regs, bool compat, int n)
{
	switch (n) {
	case 0: return compat ? &regs->bx : &regs->di;
	case 1: return compat ? &regs->cx : &regs->si;
	case 2: return &regs->dx;
	}
	return compat ? &regs->si : &regs->r10;
}

#define SYSCALL_RESULT ax
#define SYSCALL_NR orig_ax

static __always_inline u64 syscall_nr(struct pt_regs *regs)
{
	return LOAD(&regs->SYSCALL_NR);
}
