// SPDX-License-Identifier: GPL-2.0-only
// Empty: the BPF instruction set is in libbcc's own bpf.h.
