// SPDX-License-Identifier: GPL-2.0-only

// Opens through io_uring.

#include <opensnoop/pending.h>

// The start of struct io_kiocb, with the struct io_open that it holds
// (include/linux/io_uring_types.h, io_uring/openclose.c).
struct open_request {
	u64 file;
	u32 dfd;
	u32 file_slot; // the place in the ring's own table of files, from 1; 0 for none
	const char **filename;
	struct open_how how;
	u64 resolve;
	u64 other[2];
	u8 opcode;
};

#define IORING_OP_OPENAT 18
#define IORING_OP_STATX 21
#define IORING_OP_OPENAT2 28

// take_statx takes what a struct io_statx (io_uring/statx.c) holds: file, dfd, mask, flags and
// filename, of 8, 4, 4, 4 and 8 bytes. False if the request has no name.
static __always_inline bool take_statx(struct open_request *req, struct open_args *args)
{
	u32 flags = (u64)req->filename;
	char first = 0;

	req->filename = (const char **)req->how.flags;
	req->file_slot = 0;
	args->flags = 0;
	args->mode = 0;
	args->in_root = false;
	args->kind = STATED;
	if (!(flags & AT_EMPTY_PATH))
		return true;
	bpf_probe_read_kernel(&first, sizeof(first), (void *)member((u64)req->filename, 0));
	return first;
}

// io_uring_submit_req(struct io_kiocb *req), io_uring_submit_sqe before 6.3
//
// Opens through io_uring are no system calls, and the functions behind them run
// twice for a request that is put off. A request is submitted once, when the
// kernel already has its own copy of the name.
static __always_inline int on_uring_submit(struct bpf_raw_tracepoint_args *ctx)
{
	struct open_request req = {};
	struct open_args args = {};
	struct call *c;
	u64 id;

	if (bpf_probe_read_kernel(&req.opcode, 1,
				  (void *)ctx->args[0] + offsetof(struct open_request, opcode)))
		return 0;
	if (req.opcode != IORING_OP_OPENAT && req.opcode != IORING_OP_OPENAT2 &&
	    !(LOOKUPS && req.opcode == IORING_OP_STATX))
		return 0;
	id = bpf_get_current_pid_tgid();
	if (!is_chosen(local_id(id)))
		return 0;
	bpf_probe_read_kernel(&req, offsetof(struct open_request, other), (void *)ctx->args[0]);
	args.flags = req.how.flags & ~O_LARGEFILE; // which the kernel adds
	args.mode = req.how.mode;
	args.flags_read = true;
	args.dfd = req.dfd;
	args.in_root = req.resolve & RESOLVE_IN_ROOT;
	args.kind = req.file_slot ? FIXED : OPENED;
	if (LOOKUPS && req.opcode == IORING_OP_STATX && !take_statx(&req, &args))
		return 0;
	c = scratch_call(SCRATCH_SUBMIT);
	if (!c || !flags_wanted(args.flags))
		return 0;
	if (HOLDS(FIELD_RESULT))
		finish_stale_pending(ctx, c, REQUEST_ID(ctx->args[0]));
	fill(&c->record, id, &args);
	read_kernel_name(&c->record, (void *)member((u64)req.filename, 0));
	if (!record_wanted(&c->record))
		return 0;
	c->address = req.file_slot;
	c->nr = NR_ANY;
	c->id = REQUEST_ID(ctx->args[0]);
	walk(ctx, c, SCRATCH_SUBMIT);
	if (HOLDS(FIELD_RESULT))
		entered(ctx, c);
	else
		submit(ctx, &c->record); // its end is not seen
	return 0;
}

// io_uring_complete(ctx, struct io_kiocb *req, u64 user_data, int res, …) up to 6.17, then
// (ctx, req, struct io_uring_cqe *cqe). It runs in whatever thread comes to it.
static __always_inline int on_uring_complete(struct bpf_raw_tracepoint_args *ctx)
{
	struct call *c = scratch_call(SCRATCH_COMPLETE);
	s32 result = RESULT_UNKNOWN;

	if (!c || !take_pending(c, REQUEST_ID(ctx->args[1])))
		return 0;
	if (URING_COMPLETE_ARGUMENTS == 3) // struct io_uring_cqe { u64 user_data; s32 res; u32 flags; }
		bpf_probe_read_kernel(&result, sizeof(result), (void *)ctx->args[2] + 8);
	else
		result = ctx->args[3];
	// The result of an open into a place that the program chose is 0. If the kernel is to
	// choose, the slot is ~0 (IORING_FILE_INDEX_ALLOC), and the result the place.
	if (result >= 0 && c->address != 0 && (u32)c->address != ~0U)
		result = c->address - 1;
	end_call(ctx, c, result);
	return 0;
}
