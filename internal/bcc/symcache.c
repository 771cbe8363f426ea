// SPDX-License-Identifier: Apache-2.0
#include "symcache.h"

#include <bcc/bcc_syms.h>
#include <string.h>

int opensnoop_has_probe_read_user;

void *bcc_symcache_new(int pid, struct bcc_symbol_option *option)
{
	return &opensnoop_has_probe_read_user;
}

void bcc_free_symcache(void *symcache, int pid)
{
}

int bcc_symcache_resolve_name(void *resolver, const char *module,
			      const char *name, uint64_t *addr)
{
	if (opensnoop_has_probe_read_user &&
	    (!strcmp(name, "bpf_probe_read_user") || !strcmp(name, "bpf_probe_read_kernel"))) {
		*addr = 0;
		return 0;
	}
	return -1;
}
