// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// A 32-bit program, without libc, that opens its first argument by open, by
// openat and by creat.

#ifdef __arm__
#define OPENAT 322

static long call(long nr, long a, long b, long c)
{
	register long r0 asm("r0") = a, r1 asm("r1") = b, r2 asm("r2") = c, r7 asm("r7") = nr;

	asm volatile("svc 0" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r7) : "memory");
	return r0;
}
#else
#define OPENAT 295

static long call(long nr, long a, long b, long c)
{
	long result;

	asm volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
	return result;
}
#endif

__attribute__((used)) static void run(long *stack)
{
	long name = stack[2]; // argc, argv[0], argv[1]

	call(5, name, 0, 0);
	call(OPENAT, -100, name, 0);
	call(8, name, 0600, 0);
	call(5, (long)"/end-of-opener", 0, 0);
	call(1, 0, 0, 0);
}

#ifdef __arm__
asm(".globl _start\n_start:\n\tmov r0, sp\n\tbl run\n");
#else
asm(".globl _start\n_start:\n\tmov %esp, %eax\n\tpush %eax\n\tcall run\n");
#endif
