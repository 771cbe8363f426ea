// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_SYSCALL_H
#define _OPENSNOOP_SYSCALL_H

// The system calls that open, and their arguments.

#include <opensnoop/record.h>
#include <opensnoop/task.h>
#include <uapi/linux/fcntl.h>

// The arguments of a call.
struct open_args {
	u64 name;
	u64 flags;
	u32 mode;
	bool flags_read; // flags and mode are set
};

// The system calls that open.
enum door {
	NO_DOOR,
	OPEN,    // (name, flags, mode)
	CREAT,   // (name, mode)
	OPENAT,  // (dfd, name, flags, mode)
	OPENAT2, // (dfd, name, how, size)
};

struct open_how { // include/uapi/linux/openat2.h, less `resolve`
	u64 flags;
	u64 mode;
};

// Of the architecture: is_compat, is_open, door_of, argument, syscall_nr,
// O_LARGEFILE.
#include <asm/open.h>

// read_open_args finds the arguments of the system call that the current thread is
// in. False if that is no open after all.
static __always_inline bool read_open_args(struct pt_regs *regs, u64 nr, struct open_args *args)
{
	bool compat = is_compat();
	enum door door = door_of(nr, compat);
	int name = door == OPENAT || door == OPENAT2;

	if (door == NO_DOOR)
		return false;
	args->name = LOAD(argument(regs, compat, name));
#if FIELDS & FIELD_FLAGS
	u64 next = LOAD(argument(regs, compat, name + 1));
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
	default:
		args->flags = (u32)next;
		args->mode = LOAD(argument(regs, compat, name + 2)) & ALLPERMS;
	}
#endif
	return true;
}

#endif
