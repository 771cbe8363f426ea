package bcc

/*
#include <malloc.h>
#include <sys/mman.h>

// LLVM allocates many small pieces. One heap for all threads grows in few large
// steps; those of threads other than the first grow by a page at a time. It takes
// effect before Go starts its threads.
static __attribute__((constructor)) void one_heap(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TOP_PAD, 16 << 20);
}

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

// drop takes pages of a file away, which come back from it.
static void drop(unsigned long from, unsigned long to)
{
	madvise((void *)from, to - from, MADV_DONTNEED);
}

// page_out takes pages away from the page cache too, and those that are in no file
// if there is swap space.
static void page_out(unsigned long from, unsigned long to)
{
	madvise((void *)from, to - from, MADV_PAGEOUT);
}
*/
import "C"

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
)

// GiveBack returns to the system the memory that compiling took: what libbcc and
// LLVM freed, and the pages of the files of the program and its shared libraries,
// several times as much as tracing needs. What is needed again comes back from the
// page cache by itself. It takes some 20 ms. What the dynamic linker changed in the
// libraries' data, 10 MB of LLVM's, is in no file and stays, unless there is swap
// space (and Linux 5.4).
//
// From then on Go's heap grows by a quarter only before it is collected. Tracing
// leaves next to no garbage.
func GiveBack() {
	C.malloc_trim(0)
	debug.SetGCPercent(25)
	defer debug.FreeOSMemory()
	mappings, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return // memory is all that this is about
	}
	// Of the program's own code the page cache has pieces of up to 2 MB, of which each
	// comes back whole. Read anew, it comes back in small ones.
	self, _ := os.Readlink("/proc/self/exe")
	type mapping struct {
		from, to C.ulong
		pageOut  bool
	}
	var all []mapping
	ours := false // the mapping is of a file, private, and not for writing
	for line := range strings.Lines(string(mappings)) {
		// "7f12…-7f13… r-xp 00000000 08:01 1234   /usr/lib/…/libLLVM-14.so.1", then
		// lines like "Anonymous:    8 kB".
		var from, to, kb uint64
		var access string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &access); n == 3 {
			ours = strings.Contains(line, " /") && access[1] == '-' && access[3] == 'p'
			if ours {
				all = append(all, mapping{C.ulong(from), C.ulong(to), strings.HasSuffix(line, " "+self+"\n")})
			}
		} else if n, _ := fmt.Sscanf(line, "Anonymous: %d kB", &kb); n == 1 && ours && kb > 0 {
			all[len(all)-1].pageOut = true // not as in the file
		}
	}
	for _, m := range all {
		if m.pageOut {
			C.page_out(m.from, m.to)
		} else {
			C.drop(m.from, m.to)
		}
	}
}
