package bcc

/*
#include <stdbool.h>
#include <stdint.h>
#include "shim.h"
*/
import "C"

import "unsafe"

// Functions of libbcc's that are ours. It calls them through the dynamic linker, which
// prefers the program's, as cgo exports them. A libbcc that is linked so as to keep its
// own, or that knows them by other names, is slower, and needs more memory or the right
// to make maps.

// While it compiles, libbcc asks one thing of the kernel's symbol table: is there a
// bpf_probe_read_user (and _kernel), new in Linux 5.5? To answer it reads all of
// /proc/kallsyms, which takes several times as long as compiling. It asks through
// three functions, and ours answer from this variable.
var probeReadUser bool

//export bcc_symcache_new
func bcc_symcache_new(pid C.int, option unsafe.Pointer) unsafe.Pointer {
	return unsafe.Pointer(&probeReadUser) // anything but nil
}

//export bcc_free_symcache
func bcc_free_symcache(symcache unsafe.Pointer, pid C.int) {}

//export bcc_symcache_resolve_name
func bcc_symcache_resolve_name(symcache unsafe.Pointer, module, name *C.char, address *C.uint64_t) C.int {
	switch C.GoString(name) {
	case "bpf_probe_read_user", "bpf_probe_read_kernel":
		if probeReadUser {
			*address = 0
			return 0
		}
	}
	return -1
}

// Without what it calls its rw engine, libbcc compiles no functions that turn the
// maps' keys and values into text and back. Nothing here asks for such text. This is
// ebpf::bpf_module_rw_engine_enabled().
//
//export _ZN4ebpf28bpf_module_rw_engine_enabledEv
func _ZN4ebpf28bpf_module_rw_engine_enabledEv() C.bool { return false }

// lastTable is the last number that stood for a descriptor of a map. None is that large:
// fs.nr_open is 2^30 at the most.
var lastTable C.int = 0x40000000

// No map is made while compiling.
//
//export bcc_create_map_xattr
func bcc_create_map_xattr(attributes unsafe.Pointer, allowLimit C.bool) C.int {
	lastTable++
	return lastTable
}
