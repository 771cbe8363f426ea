// SPDX-License-Identifier: GPL-2.0-only
#ifndef _UAPI_LINUX_FCNTL_H
#define _UAPI_LINUX_FCNTL_H

#define O_WRONLY 01
#define O_CREAT 0100
#define O_TRUNC 01000
#define ALLPERMS 07777 // S_IALLUGO

#endif
