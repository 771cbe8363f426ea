// SPDX-License-Identifier: GPL-2.0-only
#ifndef _OPENSNOOP_IO_URING_H
#define _OPENSNOOP_IO_URING_H

// Opens through io_uring.

#include <opensnoop/emit.h>
#include <opensnoop/filename.h>

// io_uring_submit_req(struct io_kiocb *req), io_uring_submit_sqe before 6.3
//
// Opens through io_uring are no system calls, and the functions behind them run
// twice for a request that is put off. A request is submitted once, when the
// kernel already has its own copy of the name. Its result is not seen.
static __always_inline int on_uring_submit(struct bpf_raw_tracepoint_args *ctx)
{
	// The start of struct io_kiocb, with the struct io_open that it holds
	// (include/linux/io_uring_types.h, io_uring/openclose.c).
	struct {
		u64 file;
		u32 dfd, file_slot;
		struct filename_start *filename;
		struct open_how how;
		u64 other[3];
		u8 opcode;
	} req = {};
	struct open_args args = {};
	struct record *r;
	const char *name = NULL;
	u64 id;
	int zero = 0;
	long n;

	if (bpf_probe_read_kernel(&req.opcode, 1,
				  (void *)ctx->args[0] + offsetof(typeof(req), opcode)))
		return 0;
	if (req.opcode != 18 && req.opcode != 28) // IORING_OP_OPENAT, IORING_OP_OPENAT2
		return 0;
	id = bpf_get_current_pid_tgid();
	if (!traced(id))
		return 0;
	bpf_probe_read_kernel(&req, offsetof(typeof(req), other), (void *)ctx->args[0]);
	args.flags = req.how.flags & ~O_LARGEFILE; // which the kernel adds
	args.mode = req.how.mode;
	args.flags_read = true;
	if (!flags_wanted(args.flags))
		return 0;
	r = scratch_record(&zero);
	if (!r)
		return 0;
	fill(r, id, &args);
	bpf_probe_read_kernel(&name, sizeof(name), &req.filename->name);
	n = bpf_probe_read_kernel_str(r->name, sizeof(r->name), name);
	submit_named(ctx, r, n, NAME_BAD, (u64)name);
	return 0;
}

#endif
