// SPDX-License-Identifier: GPL-2.0-only

// The record of an open, as it goes to user space.

#include <linux/sched.h>
#include <uapi/linux/limits.h>

// How the name of a record came about; event.NameKind in Go.
enum name_kind {
	NAME_READ = 0,   // `name` holds the bytes that the program passed
	NAME_BAD = 1,    // the address was bad at return too; `name` holds it
	NAME_UNSEEN = 2, // unreadable at entry, return not seen; `name` holds it
	NAME_HANDLE = 3, // none: opened by a file handle, whose address `name` holds
	NAME_UNSURE = 4, // `name` holds what was read at entry; the kernel may have read another
};

// What a record is of; event.Event in Go.
enum event_kind {
	OPENED = 0,
	FIXED = 1,    // a result of 0 or more is a place in an io_uring's table of files
	EXECUTED = 2, // as a program, or for one: a result of 0 is no descriptor
	STATED = 3,   // these are looked for, and not opened
	ACCESSED = 4,
	LINK_READ = 5,
};

// The parts of a record are FIELD_PATH and so on: bits, which Go defines (event.Fields). The parts are in the
// order of struct record, and first come those with members of 8 bytes, so that none is out of its
// alignment.
// HOLDS is 1 if records hold a part, else 0. In struct record a part that is not there is an array of
// none, and the compiler leaves out what stands behind an `if` that does not hold.
#define HOLDS(field) (!!(FIELDS & (field)))

// How many bytes of a program's arguments are kept, with a NUL behind each.
#define ARGS_MAX 252

struct args {
	u32 size; // bytes that there are; 0 if they are not known
	char bytes[ARGS_MAX];
};

// What is known of an opened file.
#define FILE_CREATED 1      // this call made it
#define FILE_STAT_DIFFERS 2 // stat(2) may tell another dev or inode

// How many processes are kept of those that a process descends from, with itself.
#define ANCESTORS_MAX 32

struct ancestor {
	u32 tgid;
	char comm[TASK_COMM_LEN]; // of its first thread
};

struct ancestors {
	u32 cut;   // not 0: there are more
	u32 count; // the process itself is the first
	struct ancestor list[ANCESTORS_MAX];
};

// Set in `fields` if the flags are there, but could not be read. event.Number.Unread in Go are more of these.
#define FLAGS_UNREAD (1U << 31)

#define RESULT_UNKNOWN (-2147483647 - 1)

// How a walk from a folder up to the tracer's root ended; event.WalkState in Go.
enum walk_state {
	WALK_NONE = 1,    // it was not walked
	WALK_IN_ROOT = 2, // the folder is the root for this call (RESOLVE_IN_ROOT)
	WALK_BAD = 4,     // the descriptor is none
	WALK_DELETED = 8,
	WALK_MORE = 16,        // there are more components than were read
	WALK_ESCAPED = 32,     // the folder has been moved out of what is mounted
	WALK_UNREACHABLE = 64, // the tracer's root is not on the way
	WALK_CHANGED = 128,    // folders were renamed meanwhile, again and again

	// In the state of the walk from the base: the name was not in memory when the call was
	// walked. It stands behind the walks, and its address in its place.
	WALK_NAME_LAST = 256,

	WALK_SPECIAL = 512, // of no folder, but of a kind of file system, whose name is last

	// Other threads may have changed where it begins before the kernel began there.
	WALK_SHARED = 1024,
};

// The components of a walk, the last first, each with its NUL, are of at most so many bytes,
// and a single one of less than COMPONENT_MAX: most file systems have at most 255.
#define WALK_MAX 4088
#define COMPONENT_MAX 1024

// Room for the strings of a record: the name, and with FIELD_PATH up to 4 walks, of which not
// all are so long. They end at STRINGS_END at the latest: a sum of their lengths is masked by
// STRINGS_MAX - 1 for the verifier, which must not change it. What is put behind them is written
// before it is known to fit, and has the rest of STRINGS_SIZE.
#define STRINGS_MAX (HOLDS(FIELD_PATH) ? 16384 : PATH_MAX)
#define STRINGS_END (STRINGS_MAX - 1)
#define STRINGS_SIZE (STRINGS_MAX + HOLDS(FIELD_PATH) * PATH_MAX)
// A name that is read late has its room behind the three walks of the entry.
_Static_assert(!HOLDS(FIELD_PATH) || sizeof(u64) + 3 * WALK_MAX + PATH_MAX - 1 <= STRINGS_END,
	       "the room of a late name");

// What a walk came to: how many bytes of components there are, and how it ended, of enum walk_state.
struct walked {
	u16 len;
	u16 state;
} __attribute__((aligned(4))); // so that both are set at once

struct path_part {
	s32 dfd; // which a relative name is relative to
	struct walked base; // from there up
	struct walked root; // from the process's root, for an absolute name
};

struct file_part {
	u32 inode[2]; // its halves
	u32 dev;      // as the kernel has it: 12 bits and 20
	u32 marks;    // a sum of FILE_…
	struct walked real; // from the opened file
};

// What goes to user space. Only the bytes used are sent:
//
//	header   24 bytes
//	parts    those of `fields`, each of a fixed size, with none between them; then
//	         bytes that mean nothing, to a multiple of 8
//	comm     TASK_COMM_LEN bytes
//	name     name_len bytes
//
// A part that has a string of its own holds its length. These follow the name: those of the
// entry of the call, which are of exe, base and root, then those of its end, of real. A name
// that is read late is between the two. internal/event decodes it, and a test holds the two
// to the same layout.
//
// What is before the name must end with a NUL: from Linux 5.8 to early 6.1
// bpf_probe_read_kernel_str writes one there when the first byte faults. A comm does.
struct record {
	u64 time; // ns, CLOCK_MONOTONIC, when the record was submitted
	u32 tgid;
	u32 tid;
	u32 fields;   // FIELD_… of the parts that are there, and marks of those that could not be read
	u16 name_len; // bytes, without the NUL
	u8 name_kind; // enum name_kind
	u8 kind;      // enum event_kind

	s64 took[HOLDS(FIELD_TOOK)]; // ns; 0 if not known; of a pending call less than 0: when it began
	u64 flags[HOLDS(FIELD_FLAGS)];
	u32 mode[HOLDS(FIELD_FLAGS)];
	s32 result[HOLDS(FIELD_RESULT)];
	char process[HOLDS(FIELD_PROCESS) * TASK_COMM_LEN];
	struct path_part path[HOLDS(FIELD_PATH)];
	struct walked exe[HOLDS(FIELD_EXE)]; // from the program's file
	struct file_part file[HOLDS(FIELD_FILE)];
	char pcomm[HOLDS(FIELD_PCOMM) * TASK_COMM_LEN];
	u32 cgroup[HOLDS(FIELD_CGROUP) * 2]; // the halves of its id; the uppermost bit: in a cgroup namespace
	struct args args[HOLDS(FIELD_ARGS)];
	struct ancestors ancestors[HOLDS(FIELD_ANCESTORS)];
	u32 numbers[NUMBERS]; // those of event.Numbers in Go that are asked for

	char comm[TASK_COMM_LEN] __attribute__((aligned(8)));
	char name[STRINGS_SIZE]; // and behind it the other strings
};

// The bytes of a record less its strings behind the comm.
#define FIXED_SIZE offsetof(struct record, name)

// strings_size is how many bytes of strings a record has.
static __always_inline u32 strings_size(struct record *r)
{
	u32 size = r->name_len;

	if (HOLDS(FIELD_PATH)) {
		size += r->path->base.len + r->path->root.len;
		if (r->path->base.state & WALK_NAME_LAST)
			size += sizeof(u64);
	}
	if (HOLDS(FIELD_EXE))
		size += r->exe->len;
	if (HOLDS(FIELD_FILE))
		size += r->file->real.len;
	return size & (STRINGS_MAX - 1);
}

// name_of is where a record's name is.
static __always_inline char *name_of(struct record *r)
{
	u32 at = sizeof(u64);

	if (!HOLDS(FIELD_PATH) || !(r->path->base.state & WALK_NAME_LAST))
		return r->name;
	at += r->path->base.len + r->path->root.len;
	if (HOLDS(FIELD_EXE))
		at += r->exe->len;
	return r->name + (at & (STRINGS_MAX - 1));
}
