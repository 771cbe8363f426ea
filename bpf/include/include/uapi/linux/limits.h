// SPDX-License-Identifier: GPL-2.0-only
#ifndef _UAPI_LINUX_LIMITS_H
#define _UAPI_LINUX_LIMITS_H

#define PATH_MAX 4096 // bytes, with the NUL

#endif
