// SPDX-License-Identifier: Apache-2.0
#include "replaced.h"

#include <bcc/bcc_syms.h>
#include <stdbool.h>
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

// Without what it calls its rw engine, libbcc compiles no functions that turn the
// maps' keys and values into text and back, and keeps no compiler in memory for
// them. Nothing here asks for such text. This is ebpf::bpf_module_rw_engine_enabled().
bool opensnoop_rw_engine_enabled(void) __asm__("_ZN4ebpf28bpf_module_rw_engine_enabledEv");

bool opensnoop_rw_engine_enabled(void)
{
	return false;
}
