// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// A 32-bit program, without libc, that opens its first argument by open, by
// openat and by creat.

static long call(long nr, long a, long b, long c)
{
	long result;

	asm volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
	return result;
}

__attribute__((used)) static void run(long *stack)
{
	long name = stack[2]; // argc, argv[0], argv[1]

	call(5, name, 0, 0);
	call(295, -100, name, 0);
	call(8, name, 0600, 0);
	call(5, (long)"/end-of-opener", 0, 0);
	call(1, 0, 0, 0);
}

asm(".globl _start\n_start:\n\tmov %esp, %eax\n\tpush %eax\n\tcall run\n");
