// SPDX-License-Identifier: Apache-2.0

// Libbcc, of which nothing is loaded before shim_open.

#include <stdbool.h>
#include <stddef.h>

// shim_open loads libbcc; NULL, or why it cannot be loaded.
const char *shim_open(void);

// shim_make_map makes a BPF map, or what is taken for one: then it is a number not below
// SHIM_FIRST_TRAPPED. It returns -1 without the right to make any.
#define SHIM_FIRST_TRAPPED 0x50000000
int shim_make_map(void);

// Of the module that was compiled last, what gobpf does not tell: of a table by its
// number, and the names of the programs.
int shim_table_type(size_t id);
size_t shim_table_max_entries(size_t id);
int shim_table_flags(size_t id);
size_t shim_num_functions(void);
const char *shim_function_name(size_t id);

// The last program that was to be loaded.
struct shim_program {
	const void *insns;
	int size; // bytes
	const char *license;
};
extern struct shim_program shim_loaded;

// shim_libraries writes the paths of the loaded libraries, each with its NUL, as far as
// there is room, and returns how many bytes that are.
size_t shim_libraries(char *buf, size_t size);
