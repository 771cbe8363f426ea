// SPDX-License-Identifier: Apache-2.0
#include "stdout.h"

#include <fcntl.h>

static int closed;

// Before Go's runtime starts, which opens /dev/null in the place of a closed stdout.
__attribute__((constructor)) static void look(void)
{
	closed = fcntl(1, F_GETFD) < 0;
}

int opensnoop_stdout_closed(void)
{
	return closed;
}
