// SPDX-License-Identifier: GPL-2.0-only
#ifndef _BCC_HELPERS_H
#define _BCC_HELPERS_H

// What the programs here need of libbcc's own header of this name and of its copy
// of the kernel's bpf.h. Those are some 9,000 lines, which libbcc parses three times,
// longer than it takes for everything else in this folder.

#include <linux/types.h>
#include <linux/version.h>

#define BCC_SEC(name) __attribute__((section(name), used))

// Maps. libbcc finds them by their sections, takes key, leaf, max_entries and flags
// out of the structures by these names, and replaces calls of the functions in them
// (BFrontendAction in its src/cc/frontends/clang/b_frontend_action.cc).
// clang-format off
#define BPF_F_TABLE(type, key_type, leaf_type, name, entries, map_flags)	\
	struct name##_table_t {						\
		key_type key;						\
		leaf_type leaf;						\
		leaf_type *(*lookup)(key_type *);			\
		int (*update)(key_type *, leaf_type *);			\
		int (*insert)(key_type *, leaf_type *);			\
		int (*delete)(key_type *);				\
		u32 max_entries;					\
		int flags;						\
	};								\
	__attribute__((section("maps/" type)))				\
	struct name##_table_t name = { .max_entries = (entries), .flags = (map_flags) }

#define BPF_TABLE(type, key_type, leaf_type, name, entries) \
	BPF_F_TABLE(type, key_type, leaf_type, name, entries, 0)
#define BPF_HASH(name, key_type, leaf_type, entries) \
	BPF_TABLE("hash", key_type, leaf_type, name, entries)
#define BPF_ARRAY(name, leaf_type, entries) \
	BPF_TABLE("array", int, leaf_type, name, entries)
#define BPF_PERCPU_ARRAY(name, leaf_type, entries) \
	BPF_TABLE("percpu_array", int, leaf_type, name, entries)

#define BPF_PROG_ARRAY(name, entries)					\
	struct name##_table_t {						\
		int key;						\
		u32 leaf;						\
		void (*call)(void *, int);				\
		u32 max_entries;					\
		int flags;						\
	};								\
	__attribute__((section("maps/prog")))				\
	struct name##_table_t name = { .max_entries = (entries) }

#define BPF_PERF_OUTPUT(name)						\
	struct name##_table_t {						\
		int key;						\
		u32 leaf;						\
		int (*perf_submit)(void *, void *, u32);		\
		u32 max_entries;					\
	};								\
	__attribute__((section("maps/perf_output")))			\
	struct name##_table_t name = { .max_entries = 0 }
// clang-format on

// What libbcc writes in place of those calls uses these.
#define BPF_ANY 0
#define BPF_NOEXIST 1
#define BPF_F_NO_PREALLOC 1
#define BPF_F_MMAPABLE 1024
#define CUR_CPU_IDENTIFIER 0xffffffffull // BPF_F_CURRENT_CPU

u64 bpf_pseudo_fd(u64, u64) asm("llvm.bpf.pseudo");

// map_value is where the value of the source's one array of one that can be mapped is. There is no
// look-up, and it is never NULL (BPF_PSEUDO_MAP_VALUE, since Linux 5.2). internal/bcc takes the 0
// for that map.
#define map_value() ((void *)bpf_pseudo_fd(2, 0))

int bpf_trace_printk(const char *fmt, ...) asm("llvm.bpf.extra");

struct bpf_raw_tracepoint_args {
	u64 args[0];
};

struct bpf_pidns_info {
	u32 pid, tgid;
};

struct task_struct;

// The kernel's functions for BPF programs, by their numbers in enum bpf_func_id
// (include/uapi/linux/bpf.h). Before 5.5 libbcc makes bpf_probe_read of the four
// for memory of the kernel and of the user.
// clang-format off
static void *(*bpf_map_lookup_elem)(void *map, void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, void *key, void *value, u64 flags) = (void *)2;
static long (*bpf_map_delete_elem)(void *map, void *key) = (void *)3;
static long (*bpf_probe_read)(void *to, u32 size, const void *from) = (void *)4;
static u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static u32 (*bpf_get_smp_processor_id)(void) = (void *)8;
static long (*bpf_trace_printk_)(const char *fmt, u64 size, ...) = (void *)6;
static long (*bpf_tail_call)(void *ctx, u64 map, u32 index) = (void *)12;
static u64 (*bpf_get_current_pid_tgid)(void) = (void *)14;
static u64 (*bpf_get_current_uid_gid)(void) = (void *)15;
static long (*bpf_get_current_comm)(void *to, u32 size) = (void *)16;
static long (*bpf_perf_event_output)(void *ctx, void *map, u64 flags, void *data, u64 size) = (void *)25;
static u64 (*bpf_get_current_task)(void) = (void *)35;
static long (*bpf_probe_read_str)(void *to, u32 size, const void *from) = (void *)45;
static u64 (*bpf_get_current_cgroup_id)(void) = (void *)80;
static long (*bpf_probe_read_user)(void *to, u32 size, const void *from) = (void *)112;
static long (*bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*bpf_probe_read_user_str)(void *to, u32 size, const void *from) = (void *)114;
static long (*bpf_probe_read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static long (*bpf_get_ns_current_pid_tgid)(u64 dev, u64 ino, struct bpf_pidns_info *to, u32 size) = (void *)120;
static struct task_struct *(*bpf_get_current_task_btf)(void) = (void *)158;
static long (*bpf_task_pt_regs)(struct task_struct *task) = (void *)175;
// clang-format on

// libbcc gives the map as a number or as a pointer.
#define bpf_tail_call_(map, ctx, index) bpf_tail_call(ctx, (u64)(map), index)

#endif
