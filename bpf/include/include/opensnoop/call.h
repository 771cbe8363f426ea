// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_CALL_H
#define _OPENSNOOP_CALL_H

// What is kept of a call whose record waits for its end. internal/trace/pending.go has the
// same, and a test holds the two to each other.

#include <opensnoop/record.h>

// Room for a name beside a pending call. Longer names have a map of their own.
#define SHORT_NAME 128

// A call while it is being recorded.
struct call {
	u64 address; // of the name in the process
	u64 sp;      // the process's stack pointer, of an interrupted call
	u64 nr;      // the system call, or NR_ANY
	struct record record;
};

// What is kept of it. The record is as user space can give it out, its time when it was
// put there, but for a name of more than SHORT_NAME bytes.
struct pending_call {
	char head[offsetof(struct call, record)];
	char record[FIXED_SIZE + SHORT_NAME];
};

// Calls are found by the pid_tgid of their thread, and an interrupted one by this. No
// pid_tgid has the bit.
#define INTERRUPTED_ID(id) ((id) | 1ULL << 62)

// Requests of io_uring are found by their address, which has the top bits.
#define REQUEST_ID(address) (((address) | 1ULL << 63) & ~(1ULL << 62))

// How long after a call's entry a name that was not in memory is still taken for the one
// that the kernel read, in ns.
#define UNREAD_TIME 3000000000ULL

#endif
