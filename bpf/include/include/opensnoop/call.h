// SPDX-License-Identifier: GPL-2.0-only

// What is kept of a call whose record waits for its end. internal/trace/pending.go has the
// same, and a test holds the two to each other.

#include <opensnoop/record.h>

// barrier_var keeps the compiler from joining what comes before with what follows. It would work out
// several conditions first and join them, and the verifier follows each outcome of each.
#define barrier_var(value) asm volatile("" : "+r"(value))

// How many calls may be pending.
#define PENDING_MAX 8192

// Room for the strings beside a pending call. Longer ones have maps of their own: one for those of
// up to LONG_NAME bytes, of which many fit into its memory, and one for all others.
#define SHORT_NAME (HOLDS(FIELD_PATH) ? 256 : 128)
#define LONG_NAME 1024
#define LONG_NAMES 1024
#define LONGEST_NAMES 128

// Without these, nothing that is kept is long: a name that is not known yet is its address.
#define HAS_LONG_NAMES HOLDS(FIELD_RESULT | FIELD_PATH | FIELD_FLAGS)

// Of each map, one user may have half. Users of the same last bits share it.
#define HOLDERS 256

// A place in the tree of folders: struct path (include/linux/path.h).
struct place {
	u64 mnt;
	u64 dentry;
};

// Where walks begin, in their order: one that the caller can make long comes after what must
// not be left out for it.
enum origin {
	FROM_EXE = 1,
	FROM_BASE = 2,
	FROM_ROOT = 4,
	FROM_FILE = 8,
};

// The mount of a place, as far as it was needed: parent is 0 if it was not read.
struct mounted {
	u64 parent;     // the mount that it is mounted on,
	u64 mountpoint; // and the folder there
	u64 root;       // the folder that is mounted
};

// Where a call's name begins that other threads share, as it was at the entry.
struct shared {
	u64 fs_seq;     // the address of the working folder's sequence count; 0 if nobody shares it
	u64 descriptor; // that of the descriptor's place; 0 likewise, or if it has none
	u64 dentry;     // the folder of that
	u32 fs_value;   // what was there
	u32 file;       // half of the pointer
};

// What a walk has seen, and must see again at its end.
struct seen {
	u64 at;
	u64 value; // a sequence count, raised when what was read with it changes; half of a pointer
};

// What a walk has to look at in each step, where it does.
enum care {
	BY_DENTRY = 1, // it compares the d_seq of each dentry that it passes, and not the kernel's locks
	CHROOTED = 2,  // the tracer's root is no mount's, or the process has another one
};

// A walk starts, with what is known before.
enum starts {
	STARTS_NOT,
	STARTS,
	STARTS_CHOOSING, // where, for the first time
	STARTS_NOTED,    // the same, and root and pwd are known
};

// How many steps one run makes, and how many with care. The kernel allows 33 runs (MAX_TAIL_CALL_CNT).
#define STEPS 10
#define STEPS_WITH_CARE 8

#define SEEN_MAX 512
#define STEPS_AGAIN (2 * STEPS_WITH_CARE) // how many one run looks at again

// How long a name may be, with its NUL, that is compared with that of the file it opened.
#define PROVEN_NAME 256

// Whether roots are looked at again that other threads share: only where the call is pending anyway.
#define SHARED_ROOTS HOLDS(FIELD_RESULT)

// Where a walk is. It stands in memory that the verifier does not follow: every step is
// verified once, whatever the one before it came to.
struct walk {
	struct place root; // the process's
	struct place pwd;
	struct place top; // the tracer's root, where walks end,
	struct mounted top_on;
	struct place at;   // which folder is next
	struct mounted on; // at.mnt
	u32 start;         // of the components in the record's strings
	u32 end;           // where the next goes
	u32 limit;         // where they must end
	u32 last;          // where the last one is
	u32 base_last;     // of the walk from the base
	u64 slot;          // where the descriptor stands that was looked up last
	u16 state;         // enum walk_state
	u8 from;           // enum origin
	u8 next;           // a sum of enum origin: from where to walk then
	u8 care;           // a sum of enum care
	bool passed;       // where it is, all is done but to read the folder; always, if not CHROOTED
	u8 starts;         // enum starts
	bool ended;        // the walk, but not yet what has to be seen again
	bool changed;
	u8 tries;
	struct shared shared;
	u64 changes; // of the kernel's locks, at the start
	u64 first;   // the first folder, to see whether it is deleted; 0 if it is a mount's
	u32 seen_count;
	u32 seen_again;
	struct seen seen[SEEN_MAX + 16]; // the last are never used: the verifier wants them
};

// Set in the number of a call whose name has been compared with the kernel's copy, which is what it
// opens first: to execute a program, others follow.
#define NR_COMPARED (1ULL << 32)
#define HOLDER_SHIFT 48

// Set in that of a call that goes by its descriptor alone if its name turns out to be empty.
#define NR_MAY_BE_EMPTY (1ULL << 33)

// A call while it is being recorded.
struct call {
	u64 id;      // by which it is pending
	u64 address; // of the name in the process
	u64 sp;      // the process's stack pointer, of an interrupted call
	u64 nr;      // the system call, or NR_ANY; NR_COMPARED; and from HOLDER_SHIFT on, who holds a long name
	struct shared shared[HOLDS(FIELD_PATH)];
	struct record record;
	bool dropped; // at its entry, for its name
	struct walk walk[HOLDS(FIELD_PATH)];
};

// What is kept of it. The record is as user space can give it out, its time when it was
// put there, but for strings of more than SHORT_NAME bytes.
// It is of u64, as the compiler copies what may stand anywhere by single bytes.
struct pending_call {
	u64 head[offsetof(struct call, record) / sizeof(u64)];
	u64 record[(FIXED_SIZE + SHORT_NAME) / sizeof(u64)];
};

// With results a thread's call is pending in a cell, if no other thread of the same last bits has that:
// it says in its first 8 bytes whose call it has. Cells are claimed by an instruction that Linux has
// since 5.18 on all machines, and LLVM since 12; what tells is an attribute that came with 14. A value
// as large as all cells may be since 6.0.
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 0, 0) && __has_attribute(btf_decl_tag)
#define HAS_CELLS HOLDS(FIELD_RESULT)
#else
#define HAS_CELLS 0
#endif
#define CELLS 4096
#define CELL_FREE 0
#define CELL_BUSY 1 // its call is being made, or ended

// Calls are found by the pid_tgid of their thread, and an interrupted one by this. No
// pid_tgid has the bit.
#define INTERRUPTED_ID(id) ((id) | 1ULL << 62)

// What is opened for a program that is executed is found by this, beside the call itself.
#define EXEC_ID(id) ((id) | 1ULL << 61)

// Requests of io_uring are found by their address, which has the top bits.
#define REQUEST_ID(address) (((address) | 1ULL << 63) & ~(3ULL << 61))

// How long after a call's entry a name that was not in memory is still taken for the one
// that the kernel read, in ns.
#define UNREAD_TIME 3000000000ULL
