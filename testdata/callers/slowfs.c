// slowfs mounts a file system (FUSE) on DIR whose files DIR/MS take as many ms to be opened, opens each
// MS, and prints for each how many ns that took at most and at least, by its own clock.
//
//	slowfs DIR MS…
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "must.h"

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void reply(int fd, uint64_t unique, int error, void *what, size_t size)
{
	struct fuse_out_header out = { sizeof(out) + size, -error, unique };
	struct iovec parts[] = { { &out, sizeof(out) }, { what, size } };

	MUST(writev(fd, parts, 2));
}

// The number of a file is how many ms it takes, and that of the root folder 1.
static struct fuse_attr attributes(uint64_t node)
{
	return (struct fuse_attr){ .ino = node, .nlink = 1, .mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644 };
}

// serve answers the kernel, and puts into slept for how long an open waited.
static void serve(int fd, int64_t *slept)
{
	static char request[1 << 17];
	struct fuse_in_header *in = (void *)request;

	while (read(fd, request, sizeof(request)) > 0) {
		struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096 };
		struct fuse_entry_out entry = { .nodeid = atoi((char *)(in + 1)) };
		struct fuse_attr_out attr = { .attr = attributes(in->nodeid) };
		struct fuse_open_out opened = { 0 };
		int64_t began = now();

		switch (in->opcode) {
		case FUSE_INIT:
			reply(fd, in->unique, 0, &init, sizeof(init));
			break;
		case FUSE_LOOKUP:
			entry.attr = attributes(entry.nodeid);
			reply(fd, in->unique, 0, &entry, sizeof(entry));
			break;
		case FUSE_GETATTR:
			reply(fd, in->unique, 0, &attr, sizeof(attr));
			break;
		case FUSE_OPEN:
			usleep(in->nodeid * 1000);
			*slept = now() - began;
			reply(fd, in->unique, 0, &opened, sizeof(opened));
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
			break;
		default:
			reply(fd, in->unique, in->opcode == FUSE_RELEASE ? 0 : ENOSYS, NULL, 0);
		}
	}
}

int main(int argc, char **argv)
{
	int64_t *slept = mmap(NULL, sizeof(*slept), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = open("/dev/fuse", O_RDWR);
	char text[4096];

	if (fd < 0 || slept == MAP_FAILED)
		fail("/dev/fuse");
	snprintf(text, sizeof(text), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	MUST(mount("slowfs", argv[1], "fuse", 0, text));
	pid_t server = fork();

	if (server == 0) {
		serve(fd, slept);
		_exit(0);
	}
	close(fd);
	for (int i = 2; i < argc; i++) {
		snprintf(text, sizeof(text), "%s/%s", argv[1], argv[i]);
		int64_t began = now();
		int file = open(text, O_RDONLY);
		int64_t most = now() - began;

		if (file < 0)
			fail(text);
		printf("%s %ld %ld\n", argv[i], (long)most, (long)*slept);
		close(file);
	}
	fflush(stdout);
	MUST(umount2(argv[1], MNT_DETACH));
	return server < 0;
}
