// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_FILENAME_H
#define _OPENSNOOP_FILENAME_H

#include <linux/types.h>

// The start of struct filename, the kernel's copy of a name (include/linux/fs.h).
struct filename_start {
	const char *name;
	u64 uptr; // the address in the process
};

#endif
