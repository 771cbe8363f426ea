// SPDX-License-Identifier: GPL-2.0-only
#ifndef _UAPI_LINUX_PTRACE_H
#define _UAPI_LINUX_PTRACE_H

#include <linux/types.h>
#include <asm/ptrace.h>

#endif
