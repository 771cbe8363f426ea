// SPDX-License-Identifier: GPL-2.0-only
// libbcc includes this first, from every kernel source folder.
#define CONFIG_BPF_SYSCALL 1
