// SPDX-License-Identifier: Apache-2.0

// Functions of libbcc's that are ours. It calls them through the dynamic linker,
// which prefers the program's. A libbcc that is linked so as to keep its own, or
// that knows them by other names, is slower and needs more memory, and works.
//
// While it compiles, libbcc asks one thing of the kernel's symbol table: is there
// a bpf_probe_read_user (and _kernel), new in Linux 5.5? To answer it reads all of
// /proc/kallsyms, which takes several times as long as compiling. It asks through
// three functions, and ours answer from this variable.
extern int opensnoop_has_probe_read_user;
