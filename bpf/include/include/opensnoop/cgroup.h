// SPDX-License-Identifier: GPL-2.0-only

// Cgroups as they are made: those of containers tell by their paths what they are of.

#include <opensnoop/maps.h>
#include <opensnoop/task.h>

// cgroup_mkdir(struct cgroup *cgrp, const char *path)
static __always_inline int on_cgroup_made(struct bpf_raw_tracepoint_args *ctx)
{
	int first = 0;
	struct cgroup_made *made = scratch_cgroups.lookup(&first);
	long n;

	// The hierarchies of version 1 have other numbers.
	if (!made || (u32)member(member(ctx->args[0], CGROUP_ROOT), CGROUP_ROOT_ID))
		return 0;
	n = bpf_probe_read_kernel_str(made->path, sizeof(made->path), (void *)ctx->args[1]);
	made->id = member(member(ctx->args[0], CGROUP_KN), KERNFS_ID);
	made->uid = bpf_get_current_uid_gid();
	made->size = n > 0 ? n : 0;
	cgroups_made.perf_submit(ctx, made,
				 offsetof(struct cgroup_made, path) + (made->size & (PATH_MAX - 1)));
	return 0;
}
