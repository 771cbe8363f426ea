// SPDX-License-Identifier: GPL-2.0-only
// Empty: libbcc brings its own copy of the kernel's.
