package bcc

/*
#define _GNU_SOURCE
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

// LLVM allocates many small pieces. One heap for all threads grows in few large
// steps; those of threads other than the first grow by a page at a time. It takes
// effect before Go starts its threads.
static __attribute__((constructor)) void one_heap(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TOP_PAD, 16 << 20);
}

// give_back_object drops what is loaded of the program or of a library and never
// written to; it comes back from the page cache. Of the program that has pieces of
// up to 2 MB, of which each comes back whole: paged out and read anew, it comes back
// in small ones. What the dynamic linker wrote to is in no file.
static int give_back_object(struct dl_phdr_info *info, size_t size, void *data)
{
	unsigned long page = sysconf(_SC_PAGESIZE);
	int program = !*info->dlpi_name;

	if (!program && *info->dlpi_name != '/') // the vdso
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		unsigned long from = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
		unsigned long to = info->dlpi_addr + p->p_vaddr + p->p_memsz;

		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W))
			madvise((void *)from, to - from, program ? MADV_PAGEOUT : MADV_DONTNEED);
		else if (p->p_type == PT_GNU_RELRO)
			madvise((void *)from, to - from, MADV_PAGEOUT);
	}
	return 0;
}

static void give_back(void)
{
	malloc_trim(0);
	dl_iterate_phdr(give_back_object, NULL);
}
*/
import "C"

import "runtime/debug"

// GiveBack returns to the system the memory that compiling took: what libbcc and
// LLVM freed, and the pages of the files of the program and its shared libraries,
// several times as much as tracing needs. What is needed again comes back by itself.
// It takes some 20 ms. What the dynamic linker changed in the libraries' data, 10 MB
// of LLVM's, is in no file and stays, unless there is swap space (and Linux 5.4).
//
// From then on Go's heap grows by a quarter only before it is collected. Tracing
// leaves next to no garbage.
func GiveBack() {
	debug.SetGCPercent(25)
	debug.FreeOSMemory()
	C.give_back()
}
