// What callers of the tests do when a call of theirs fails.
#ifndef MUST_H
#define MUST_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

#define MUST(call) \
	do { \
		if ((call) < 0) \
			fail(#call); \
	} while (0)

#endif
