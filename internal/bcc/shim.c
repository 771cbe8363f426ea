// SPDX-License-Identifier: Apache-2.0

// The functions of libbcc that gobpf calls. The program is not linked with libbcc:
// those that compiling needs go to it once it is loaded, by shim_open; the others are never
// called. No header of libbcc's is included, as those below have no types.
#define _GNU_SOURCE
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

// clang-format off
// Hidden: libbcc's calls of its own functions stay its own.
#define HIDDEN __attribute__((visibility("hidden")))

#define FORWARD(result, name, parameters, arguments) \
	static result (*real_##name) parameters; \
	HIDDEN result name parameters { return real_##name arguments; }
#define FORWARDED(f) \
	f(void, bpf_module_destroy, (void *m), (m)) \
	f(char *, bpf_module_license, (void *m), (m)) \
	f(unsigned, bpf_module_kern_version, (void *m), (m)) \
	f(size_t, bpf_num_functions, (void *m), (m)) \
	f(const char *, bpf_function_name, (void *m, size_t id), (m, id)) \
	f(void *, bpf_function_start, (void *m, const char *name), (m, name)) \
	f(size_t, bpf_function_size, (void *m, const char *name), (m, name)) \
	f(size_t, bpf_num_tables, (void *m), (m)) \
	f(size_t, bpf_table_id, (void *m, const char *name), (m, name)) \
	f(const char *, bpf_table_name, (void *m, size_t id), (m, id)) \
	f(int, bpf_table_fd_id, (void *m, size_t id), (m, id)) \
	f(int, bpf_table_type_id, (void *m, size_t id), (m, id)) \
	f(int, bpf_table_flags_id, (void *m, size_t id), (m, id)) \
	f(size_t, bpf_table_max_entries_id, (void *m, size_t id), (m, id)) \
	f(size_t, bpf_table_key_size_id, (void *m, size_t id), (m, id)) \
	f(size_t, bpf_table_leaf_size_id, (void *m, size_t id), (m, id)) \
	f(const char *, bpf_table_key_desc_id, (void *m, size_t id), (m, id)) \
	f(const char *, bpf_table_leaf_desc_id, (void *m, size_t id), (m, id))

FORWARDED(FORWARD)

// The module that was compiled last.
static void *module;
static void *(*real_create)(const char *, unsigned, const char **, int, bool, const char *);

HIDDEN void *bpf_module_create_c_from_string(const char *text, unsigned flags, const char **cflags,
					     int n, bool allow_rlimit, const char *dev)
{
	return module = real_create(text, flags, cflags, n, allow_rlimit, dev);
}

int shim_table_type(size_t id) { return bpf_table_type_id(module, id); }
size_t shim_table_max_entries(size_t id) { return bpf_table_max_entries_id(module, id); }
int shim_table_flags(size_t id) { return bpf_table_flags_id(module, id); }
size_t shim_num_functions(void) { return bpf_num_functions(module); }
const char *shim_function_name(size_t id) { return bpf_function_name(module, id); }

#define ABSENT(name) \
	HIDDEN void name(void) { fputs("opensnoop: " #name " is not here\n", stderr); abort(); }
ABSENT(bcc_foreach_function_symbol)
ABSENT(bcc_resolve_symname)
ABSENT(bpf_attach_kprobe)
ABSENT(bpf_attach_perf_event)
ABSENT(bpf_attach_raw_tracepoint)
ABSENT(bpf_attach_tracepoint)
ABSENT(bpf_attach_uprobe)
ABSENT(bpf_attach_xdp)
ABSENT(bpf_close_perf_event_fd)
ABSENT(bpf_delete_elem)
ABSENT(bpf_detach_kprobe)
ABSENT(bpf_detach_tracepoint)
ABSENT(bpf_detach_uprobe)
ABSENT(bpf_get_first_key)
ABSENT(bpf_get_next_key)
ABSENT(bpf_lookup_elem)
ABSENT(bpf_open_perf_buffer)
ABSENT(bpf_prog_get_tag)
ABSENT(bpf_table_key_snprintf)
ABSENT(bpf_table_key_sscanf)
ABSENT(bpf_table_leaf_snprintf)
ABSENT(bpf_table_leaf_sscanf)
ABSENT(bpf_update_elem)
ABSENT(perf_reader_fd)
ABSENT(perf_reader_poll)
// clang-format on

#if defined(__x86_64__)
#define CALL_ARGUMENT(m) (m).gregs[REG_RDI]
#define CALL_RESULT(m) (m).gregs[REG_RAX]
#elif defined(__aarch64__)
#define CALL_ARGUMENT(m) (m).regs[0]
#define CALL_RESULT(m) (m).regs[0]
#endif

// on_bpf answers a call of bpf(2), which seccomp has stopped: a map that is to be made
// is a number that no descriptor has, and everything else is refused. A libbcc that
// the replaced bcc_create_map_xattr serves makes none.
static void on_bpf(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	static int map = SHIM_FIRST_TRAPPED;

	(void)sig, (void)info;
	CALL_RESULT(u->uc_mcontext) =
		CALL_ARGUMENT(u->uc_mcontext) == 0 /* BPF_MAP_CREATE */ ? map++ : -EPERM;
}

// set_signals lets a crash of libbcc's end the process by its signal, not by Go's account
// of it.
static void set_signals(void)
{
	const int fatal[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP };
	struct sigaction action = { .sa_handler = SIG_DFL };
	struct sigaction trapped = { .sa_sigaction = on_bpf,
				     .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };

	for (size_t i = 0; i < sizeof(fatal) / sizeof(*fatal); i++)
		sigaction(fatal[i], &action, NULL);
	sigaction(SIGSYS, &trapped, NULL);
}

int shim_make_map(void)
{
	// A union bpf_attr that begins like this asks for an array.
	unsigned attributes[16] = { 2 /* BPF_MAP_TYPE_ARRAY */, 4, 4, 1 };

	return syscall(SYS_bpf, 0 /* BPF_MAP_CREATE */, attributes, sizeof(attributes));
}

// load_error is what the dynamic linker says of a failure. Its own text goes with the thread's next call of it,
// and the C library makes such calls by itself.
static const char *load_error(void)
{
	static char text[1024];

	snprintf(text, sizeof(text), "%s", dlerror());
	return text;
}

const char *shim_open(void)
{
	void *libbcc;

	set_signals();
	libbcc = dlopen("libbcc.so.0", RTLD_LAZY | RTLD_LOCAL);
	if (!libbcc)
		return load_error();
#define RESOLVE(result, name, parameters, arguments) \
	if (!(real_##name = dlsym(libbcc, #name))) \
		return load_error();
	FORWARDED(RESOLVE)
	if (!(real_create = dlsym(libbcc, "bpf_module_create_c_from_string")))
		return load_error();
	return NULL;
}

// bcc_func_load loads nothing: it keeps what was to be loaded. What it returns stands for
// a descriptor, which gobpf would close with a module; none is closed.
struct shim_program shim_loaded;

HIDDEN int bcc_func_load(void *m, int type, const char *name, const void *insns, int size,
			 const char *license, unsigned version, int log_level, char *log,
			 unsigned log_size, const char *dev, int attach_type)
{
	(void)m, (void)type, (void)name, (void)version, (void)log_level, (void)log, (void)log_size;
	(void)dev, (void)attach_type;
	shim_loaded = (struct shim_program){ insns, size, license };
	return 0x7ffffffe;
}

struct list {
	char *at, *end;
};

static int add_library(struct dl_phdr_info *info, size_t size, void *data)
{
	struct list *l = data;
	size_t n = strlen(info->dlpi_name) + 1;

	(void)size;
	if (*info->dlpi_name != '/' || n > (size_t)(l->end - l->at)) // the program, the vdso
		return 0;
	memcpy(l->at, info->dlpi_name, n);
	l->at += n;
	return 0;
}

size_t shim_libraries(char *buf, size_t size)
{
	struct list l = { buf, buf + size };

	dl_iterate_phdr(add_library, &l);
	return l.at - buf;
}
