// SPDX-License-Identifier: GPL-2.0-only

// The system calls that open, and their arguments.

#include <opensnoop/call.h>
#include <opensnoop/record.h>
#include <opensnoop/task.h>
#include <uapi/linux/fcntl.h>

// The arguments of a call.
struct open_args {
	u64 name; // its address, or that of the file handle
	u64 flags;
	struct pt_regs *regs; // of the system call; NULL if they are not known
	u32 mode;
	s32 dfd;         // the folder of a relative name, or AT_FDCWD
	u32 nr;          // the system call, or NR_ANY
	bool flags_read; // flags and mode are set
	bool by_handle;
	bool in_root;      // the folder is the root for this call
	bool may_be_empty; // with an empty name it goes by the descriptor alone
	u8 kind;           // enum event_kind
};

#define AT_FDCWD -100
#define AT_EMPTY_PATH 0x1000
#define RESOLVE_IN_ROOT 16

// The system calls that open, and with LOOKUPS those that only look for a file: first those whose name is
// their first argument.
enum open_call {
	NOT_AN_OPEN,
	OPEN,   // (name, flags, mode)
	CREAT,  // (name, mode)
	EXECVE, // (name, arguments, environment)
	STAT,   // (name, …), and so on
	ACCESS,
	READLINK,
	OPENAT,     // (dfd, name, flags, mode)
	OPENAT2,    // (dfd, name, how, size)
	BY_HANDLE,  // (mount dfd, handle, flags)
	EXECVEAT,   // (dfd, name, arguments, environment, flags)
	FSTATAT,    // (dfd, name, buffer, flags)
	STATX,      // (dfd, name, flags, mask, buffer)
	FACCESSAT,  // (dfd, name, mode)
	FACCESSAT2, // (dfd, name, mode, flags)
	READLINKAT, // (dfd, name, buffer, size)
};

struct open_how { // include/uapi/linux/openat2.h, less `resolve`
	u64 flags;
	u64 mode;
};

// Where `resolve` is in it.
#define OPEN_HOW_RESOLVE sizeof(struct open_how)

// Of the architecture: is_compat, is_open, open_call_of, argument, syscall_nr,
// O_LARGEFILE.
#include <asm/open.h>

// The number of a call that is not known, and what a thread has for one at the end of
// sigreturn, which puts its registers back.
#define NR_OTHER 0xfffffffd // none that ends
#define NR_ANY 0xfffffffe
#define NR_NONE 0xffffffff

// read_argument is the n-th argument. Of a 32-bit call the kernel takes half of the
// register, and what is in the other is the program's to choose.
static __always_inline u64 read_argument(struct pt_regs *regs, bool compat, int n)
{
	u64 value = LOAD(argument(regs, compat, n));

	return compat ? (u32)value : value;
}

// by_descriptor reports of a call that may have an empty name whether it has. NULL is one, too.
static __always_inline bool by_descriptor(u64 name)
{
	char first = 0;

	return !name || (!bpf_probe_read_user(&first, sizeof(first), (void *)name) && !first);
}

// read_lookup sets what a call is that only looks for a file. False if it has no name.
static __always_inline bool read_lookup(struct pt_regs *regs, bool compat, enum open_call open_call,
					struct open_args *args)
{
	int flags = 0;

	switch (open_call) {
	case STAT: args->kind = STATED; return true;
	case ACCESS:
	case FACCESSAT: args->kind = ACCESSED; return true;
	case READLINK: args->kind = LINK_READ; return true;
	case FSTATAT: args->kind = STATED; flags = 3; break;
	case STATX: args->kind = STATED; flags = 2; break;
	case FACCESSAT2: args->kind = ACCESSED; flags = 3; break;
	case READLINKAT: args->kind = LINK_READ; break;
	default: return true;
	}
	if (flags)
		args->may_be_empty = read_argument(regs, compat, flags) & AT_EMPTY_PATH;
	else
		args->may_be_empty = (s32)read_argument(regs, compat, 0) != AT_FDCWD;
	return !args->may_be_empty || !by_descriptor(args->name);
}

// call_nr is the number that is kept of such a call.
static __always_inline u64 call_nr(struct open_args *args)
{
	return LOOKUPS && args->may_be_empty ? args->nr | NR_MAY_BE_EMPTY : args->nr;
}

// read_open_args finds the arguments of the system call that the current thread is
// in. False if that is no open after all.
static __always_inline bool read_open_args(struct pt_regs *regs, u32 nr, struct open_args *args)
{
	bool compat = is_compat();
	enum open_call open_call = open_call_of(nr, compat);
	int name = open_call >= OPENAT;

	if (open_call == NOT_AN_OPEN)
		return false;
	args->name = read_argument(regs, compat, name);
	args->by_handle = open_call == BY_HANDLE;
	args->kind = open_call == EXECVE || open_call == EXECVEAT ? EXECUTED : OPENED;
	args->nr = nr;
	if (LOOKUPS && !read_lookup(regs, compat, open_call, args))
		return false;
	args->regs = regs;
	if (HOLDS(FIELD_PATH)) {
		u64 resolve = 0;

		args->dfd = name ? (s32)read_argument(regs, compat, 0) : AT_FDCWD;
		if (open_call == OPENAT2)
			bpf_probe_read_user(&resolve, sizeof(resolve),
					    (void *)read_argument(regs, compat, 2) + OPEN_HOW_RESOLVE);
		args->in_root = resolve & RESOLVE_IN_ROOT;
	}
	if (!HOLDS(FIELD_FLAGS))
		return true;

	u64 next = read_argument(regs, compat, name + 1);
	struct open_how how = {};

	args->flags_read = true;
	if (args->kind != OPENED)
		return true;
	switch (open_call) {
	case CREAT:
		args->flags = O_CREAT | O_WRONLY | O_TRUNC;
		args->mode = next & ALLPERMS;
		break;
	case OPENAT2:
		args->flags_read = !bpf_probe_read_user(&how, sizeof(how), (void *)next);
		args->flags = how.flags;
		args->mode = how.mode;
		break;
	case BY_HANDLE: args->flags = (u32)next; break;
	default:
		args->flags = (u32)next;
		args->mode = read_argument(regs, compat, name + 2) & ALLPERMS;
	}
	return true;
}
