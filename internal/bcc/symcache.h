// SPDX-License-Identifier: Apache-2.0

// While it compiles, libbcc asks one thing of the kernel's symbol table: is
// there a bpf_probe_read_user (and _kernel), new in Linux 5.5? To answer it reads
// all of /proc/kallsyms, which takes several times as long as compiling. It asks
// through three functions that it exports, so the dynamic linker prefers ours,
// which answer from this variable. A libbcc that is linked so as to keep its own
// is slower, and works.
extern int opensnoop_has_probe_read_user;
