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
	NAME_HANDLE = 3, // none: opened by a file handle, whose address `name` holds
};

// The parts of a record: event.Fields in Go. Macros, for the preprocessor to choose by.
// A part stands in the record in the order of these bits, and first come those with
// members of 8 bytes, so that none is out of its alignment.
#define FIELD_FLAGS 1 // and mode
#define FIELD_PPID 2
#define FIELD_RESULT 4
#define FIELD_UID 8

#ifndef FIELDS
#define FIELDS 0
#endif

// Set in `fields` for a part that is there, but whose values could not be read.
#define UNREAD(field) ((field) << 16)

#define RESULT_UNKNOWN (-2147483647 - 1)

// What goes to user space. Only the bytes used are sent:
//
//	header   24 bytes
//	parts    those of `fields`, each of a fixed size, with none between them; then
//	         bytes that mean nothing, to a multiple of 8
//	comm     TASK_COMM_LEN bytes
//	name     name_len bytes
//
// A part that has a string of its own holds its length, and the string follows the name,
// in the order of the parts. internal/event decodes it, and a test holds the two to the
// same layout.
//
// What is before the name must end with a NUL: from Linux 5.8 to early 6.1
// bpf_probe_read_kernel_str writes one there when the first byte faults. A comm does.
struct record {
	u64 time; // ns, CLOCK_MONOTONIC, when the record was submitted
	u32 tgid;
	u32 tid;
	u32 fields;   // FIELD_… of the parts that are there, UNREAD(FIELD_…)
	u16 name_len; // bytes, without the NUL
	u8 name_kind; // enum name_kind
	u8 fixed;     // not 0: a result of 0 or more is a place in the ring's table of files

#if FIELDS & FIELD_FLAGS
	u64 flags;
	u32 mode;
#endif
#if FIELDS & FIELD_PPID
	u32 ppid;
#endif
#if FIELDS & FIELD_RESULT
	s32 result;
#endif
#if FIELDS & FIELD_UID
	u32 uid;
#endif

	char comm[TASK_COMM_LEN] __attribute__((aligned(8)));
	char name[PATH_MAX];
};

// The bytes of a record less its strings behind the comm.
#define FIXED_SIZE offsetof(struct record, name)

#endif
