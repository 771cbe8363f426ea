// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_SLOTS_H
#define _OPENSNOOP_SLOTS_H

// What is in the array map `slots`, each of 8 bytes. Values that differ from run to
// run are here and not in macros, so that the program is the same in every run. Go has
// the same in internal/trace/slots.go, and a test holds the two to each other.
enum slot {
	// Opens that user space does not get, by cause.
	LOST_BUFFER,  // their record did not fit into the perf buffer of their CPU
	LOST_PENDING, // there was no room among the pending calls

	PENDING_IN,        // calls made pending, less those taken out in the kernel
	PENDING_RECLAIMED, // those that user space took out; it alone writes this

	SELF_SEEN, // opens of the tracer itself: they prove that the program runs

	// User space writes these once, before it attaches the programs.
	SELF, // the tracer's own tgid, whose opens make no records
	PID,  // with PID_SLOT, the tgid of the one process to trace

	SLOTS,
};

#endif
