// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_RECORD_H
#define _OPENSNOOP_RECORD_H

// The record of an open, as it goes to user space.

#include <linux/sched.h>
#include <uapi/linux/limits.h>

// How the name of a record came about; event.NameKind in Go.
enum name_kind {
	NAME_READ = 0,   // `name` holds the bytes that the program passed
	NAME_BAD = 1,    // the address was bad at return too; `name` holds it
	NAME_UNSEEN = 2, // unreadable at entry, return not seen; `name` holds it
};

// What is in a record beyond what is in all; event.Fields in Go. Macros, for the
// preprocessor to choose by.
#define FIELD_UID 1
#define FIELD_PPID 2
#define FIELD_FLAGS 4 // and mode
#define FIELD_RESULT 8

#ifndef FIELDS
#define FIELDS 0
#endif
#define DETAILS (FIELDS & (FIELD_PPID | FIELD_FLAGS | FIELD_RESULT))
// Set in a record that has room for details, also if none of them could be read.
#define HAS_DETAILS (DETAILS ? 128 : 0)

#define RESULT_UNKNOWN (-2147483647 - 1)

// What goes to user space: this header, then name_len bytes and no more.
// internal/event decodes it, and a test holds the two to the same layout.
struct record {
	u64 time; // ns, CLOCK_MONOTONIC, when the record was submitted
	u32 tgid;
	u32 tid;
	u32 uid;
	u16 name_len; // bytes, without the NUL
	u8 name_kind; // enum name_kind
	u8 fields;    // FIELD_…, less those that could not be read
	char comm[TASK_COMM_LEN];
#if DETAILS
	u64 flags;
	u32 mode;
	u32 ppid;
	s32 result;
	u32 unused;
#endif
	char name[PATH_MAX];
};
#define HEADER_SIZE offsetof(struct record, name)

#endif
