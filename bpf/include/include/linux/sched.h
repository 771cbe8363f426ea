// SPDX-License-Identifier: GPL-2.0-only
#ifndef _LINUX_SCHED_H
#define _LINUX_SCHED_H

#define TASK_COMM_LEN 16 // bytes, with the NUL

#endif
