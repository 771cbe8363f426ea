// SPDX-License-Identifier: Apache-2.0

// Before Go's runtime starts: where it finds too little address space it ends with an
// account of itself, and no word of the limit.
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define NEEDED (2UL << 30)

static __attribute__((constructor)) void check_address_space(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY ||
	    limit.rlim_cur >= NEEDED)
		return;
	fprintf(stderr,
		"opensnoop: the limit of address space is %lu KiB, and Go's runtime needs %lu, "
		"most of it never used; "
		"raise it (ulimit -v)\n",
		(unsigned long)limit.rlim_cur >> 10, NEEDED >> 10);
	_exit(1);
}
