// SPDX-License-Identifier: GPL-2.0-only
#ifndef _LINUX_ERRNO_H
#define _LINUX_ERRNO_H

#define ENOENT 2
#define EINTR 4
#define E2BIG 7
#define EBADF 9
#define ENOMEM 12
#define EFAULT 14
#define EINVAL 22
#define EMFILE 24
#define ENOSPC 28
#define ENAMETOOLONG 36
#define ENOSYS 38

// What a call that a signal interrupts exits with, and the program never gets: from the first to the last.
#define ERESTARTSYS 512
#define ERESTART_RESTARTBLOCK 516

#endif
