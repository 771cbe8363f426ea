// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_SYSCALL_H
#define _OPENSNOOP_SYSCALL_H

// The system calls that open, and their arguments.

#include <opensnoop/record.h>
#include <opensnoop/task.h>
#include <uapi/linux/fcntl.h>

// The arguments of a call.
struct open_args {
	u64 name; // its address, or that of the file handle
	u64 flags;
	u64 sp; // the process's stack pointer; 0 if that is not known
	u32 mode;
	s32 dfd;         // the folder of a relative name, or AT_FDCWD
	u32 nr;          // the system call, or NR_ANY
	bool flags_read; // flags and mode are set
	bool by_handle;
	bool exec;
	bool in_root; // the folder is the root for this call
};

#define AT_FDCWD -100
#define RESOLVE_IN_ROOT 16

// The system calls that open.
enum door {
	NO_DOOR,
	OPEN,      // (name, flags, mode)
	CREAT,     // (name, mode)
	OPENAT,    // (dfd, name, flags, mode)
	OPENAT2,   // (dfd, name, how, size)
	BY_HANDLE, // (mount dfd, handle, flags)
	EXECVE,    // (name, arguments, environment)
	EXECVEAT,  // (dfd, name, arguments, environment, flags)
};

struct open_how { // include/uapi/linux/openat2.h, less `resolve`
	u64 flags;
	u64 mode;
};

// Where `resolve` is in it.
#define OPEN_HOW_RESOLVE sizeof(struct open_how)

// Of the architecture: is_compat, is_open, door_of, argument, syscall_nr,
// O_LARGEFILE.
#include <asm/open.h>

// The number of a call that is not known, and what a thread has for one at the end of
// sigreturn, which puts its registers back.
#define NR_ANY 0xfffffffe
#define NR_NONE 0xffffffff

// read_argument is the n-th argument. Of a 32-bit call the kernel takes half of the
// register, and what is in the other is the program's to choose.
static __always_inline u64 read_argument(struct pt_regs *regs, bool compat, int n)
{
	u64 value = LOAD(argument(regs, compat, n));

	return compat ? (u32)value : value;
}

// read_open_args finds the arguments of the system call that the current thread is
// in. False if that is no open after all.
static __always_inline bool read_open_args(struct pt_regs *regs, u32 nr, struct open_args *args)
{
	bool compat = is_compat();
	enum door door = door_of(nr, compat);
	int name = door != OPEN && door != CREAT && door != EXECVE;

	if (door == NO_DOOR)
		return false;
	args->name = read_argument(regs, compat, name);
	args->by_handle = door == BY_HANDLE;
	args->exec = door == EXECVE || door == EXECVEAT;
	args->nr = nr;
#if FIELDS & FIELD_RESULT
	args->sp = LOAD(&regs->sp);
#endif
#if FIELDS & FIELD_PATH
	u64 resolve = 0;

	args->dfd = name ? (s32)read_argument(regs, compat, 0) : AT_FDCWD;
	if (door == OPENAT2)
		bpf_probe_read_user(&resolve, sizeof(resolve),
				    (void *)read_argument(regs, compat, 2) + OPEN_HOW_RESOLVE);
	args->in_root = resolve & RESOLVE_IN_ROOT;
#endif
#if FIELDS & FIELD_FLAGS
	u64 next = read_argument(regs, compat, name + 1);
	struct open_how how = {};

	args->flags_read = true;
	switch (door) {
	case CREAT:
		args->flags = O_CREAT | O_WRONLY | O_TRUNC;
		args->mode = next & ALLPERMS;
		break;
	case OPENAT2:
		args->flags_read = !bpf_probe_read_user(&how, sizeof(how), (void *)next);
		args->flags = how.flags;
		args->mode = how.mode;
		break;
	case EXECVE:
	case EXECVEAT: break;
	case BY_HANDLE: args->flags = (u32)next; break;
	default:
		args->flags = (u32)next;
		args->mode = read_argument(regs, compat, name + 2) & ALLPERMS;
	}
#endif
	return true;
}

#endif
