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

// give_back drops code, which nothing ever writes to, and asks for read-only data
// to be written back: some of that was relocated, and is in no file.
static void give_back(unsigned long from, unsigned long to, int code)
{
	madvise((void *)from, to - from, code ? MADV_DONTNEED : MADV_PAGEOUT);
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
// files by itself. It takes some 20 ms. Linux before 5.4 keeps the libraries' data,
// and so does any for a user who may not write to the libraries, or while another
// process has it too. What the dynamic linker changed in the libraries' data, 10 MB
// of LLVM's, stays where there is no swap.
//
// From then on Go's heap grows by a quarter only before it is collected. Tracing
// leaves next to no garbage.
func GiveBack() {
	C.malloc_trim(0)
	debug.SetGCPercent(25)
	debug.FreeOSMemory()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return // memory is all that this is about
	}
	for line := range strings.Lines(string(maps)) {
		// "7f12…-7f13… r-xp 00000000 08:01 1234   /usr/lib/…/libLLVM-14.so.1"
		var from, to uint64
		var access string
		n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &access)
		if n == 3 && access[1] == '-' && access[3] == 'p' && strings.Contains(line, " /") {
			code := C.int(0)
			if access[2] == 'x' {
				code = 1
			}
			C.give_back(C.ulong(from), C.ulong(to), code)
		}
	}
}
