// SPDX-License-Identifier: Apache-2.0

// The name by which this program is a held command.
#define HELD "opensnoop: held command"

// The descriptors of a held command: both close when it executes the command.
enum {
	HELD_GATE = 3,   // a byte lets it go; its end ends it
	HELD_REPORT = 4, // where it puts a held_report for each step
};

// Steps.
enum {
	HELD_READY = 1,   // it waits, and opens nothing any more
	HELD_RIGHTS = 2,  // taking the rights failed
	HELD_EXECUTE = 3, // executing the command failed, or would fail
};

struct held_report {
	int step;
	int error; // errno
};
