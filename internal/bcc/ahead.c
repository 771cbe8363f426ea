// SPDX-License-Identifier: Apache-2.0

// To load libbcc, the dynamic linker writes addresses all over the data of clang's and LLVM's
// libraries, 10 MB, and for each page of them waits until the kernel has copied it. Meanwhile
// another CPU can have pages copied before the linker comes to them.
#include "shim.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 // since Linux 5.14; before it is refused, and nothing is lost
#endif

// As much as is copied at once, in bytes: in that time the linker cannot map or protect anything.
#define AT_ONCE (64ul << 10)

void shim_copy_ahead(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	char line[512], mode[5], path[2];

	if (!maps)
		return;
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %1s", &from, &to, mode, path) != 4 ||
		    strcmp(mode, "rw-p") || *path != '/' || to - from < 1 << 20)
			continue;
		for (; from < to; from += AT_ONCE)
			if (madvise((void *)from, to - from < AT_ONCE ? to - from : AT_ONCE,
				    MADV_POPULATE_WRITE))
				break;
	}
	fclose(maps);
}
