// Threads that change what an open of another one is relative to, or its name, while the kernel
// is at it.
//
//	racer DIR N HOW
//
// DIR/a and DIR/b have the files 0 to 999. A thread opens them N times, one after the other,
// relative to what another one changes meanwhile, and then writes one letter for each to stdout:
// a or b, for the folder that the file is in that was opened, - if none was. HOW is
//
//	chdir, dup, name  it changes the working folder, the descriptor or the name
//	still-chdir, still-dup
//	                  it only shares the working folder or the descriptor
//	dup-self, still-dup-self
//	                  the same of the descriptor, and what is opened is the folder itself, by .
//	result            it puts files of b in the place of the descriptors that are opened, in a
//
// Its last open is of the end marker.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "must.h"

#define END "/end-of-opener"
#define FILES 1000
#define SHARED_FD 100
#define FIRST_RESULT 200
#define RESULTS 8

static const char *how;
static int folders[2];
static ino_t inodes[2][FILES], own_inodes[2];
static char name[32];
static volatile int started, stop;

static void make_files(const char *dir, int which)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%c", dir, "ab"[which]);
	if (mkdir(path, 0755) && errno != EEXIST)
		fail(path);
	folders[which] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(folders[which]);
	MUST(fstat(folders[which], &st));
	own_inodes[which] = st.st_ino;
	for (int i = 0; i < FILES; i++) {
		int fd;

		snprintf(path, sizeof(path), "%d", i);
		fd = openat(folders[which], path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		MUST(fd);
		MUST(fstat(fd, &st));
		inodes[which][i] = st.st_ino;
		close(fd);
	}
}

static void change(int which)
{
	if (!strcmp(how, "chdir"))
		MUST(fchdir(folders[which]));
	else if (!strncmp(how, "dup", 3))
		MUST(dup2(folders[which], SHARED_FD));
	else if (!strcmp(how, "name"))
		*(volatile char *)name = "ab"[which];
}

// replace puts a file of b in the place of what has just been opened.
static void replace(int file, int round)
{
	int fd = FIRST_RESULT + round % RESULTS;

	if (fcntl(fd, F_GETFD) < 0)
		return;
	dup3(file, fd, O_CLOEXEC);
	if (round & 1)
		close(fd);
}

static void *changes(void *unused)
{
	int file = openat(folders[1], "0", O_RDONLY | O_CLOEXEC);

	(void)unused;
	MUST(file);
	started = 1;
	for (int round = 0; !stop; round++) {
		if (!strncmp(how, "still", 5))
			usleep(1000);
		else if (!strcmp(how, "result"))
			replace(file, round);
		else
			change(round & 1);
	}
	return NULL;
}

// open_one opens a file, and says in which folder it is.
static char open_one(int i)
{
	int at = strstr(how, "dup") ? SHARED_FD : AT_FDCWD, fd;
	bool self = strstr(how, "self");
	struct stat st;

	if (self)
		strcpy(name + 2, ".");
	else
		snprintf(name + 2, sizeof(name) - 2, "%d", i);
	fd = syscall(SYS_openat, at, !strcmp(how, "name") ? name : name + 2, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return '-';
	close(fd);
	if (self)
		return st.st_ino == own_inodes[0] ? 'a' : 'b';
	return st.st_ino == inodes[0][i] ? 'a' : st.st_ino == inodes[1][i] ? 'b' : '-';
}

static void take_lower_descriptors(void)
{
	while (dup(0) < FIRST_RESULT - 1)
		;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	char *seen;
	long n;

	if (argc != 4)
		return 2;
	n = atol(argv[2]);
	how = argv[3];
	seen = malloc(n);
	make_files(argv[1], 0);
	make_files(argv[1], 1);
	MUST(dup2(folders[0], SHARED_FD));
	MUST(strcmp(how, "name") ? fchdir(folders[0]) : chdir(argv[1]));
	memcpy(name, "a/", 2);
	if (pthread_create(&thread, NULL, changes, NULL))
		fail("pthread_create");
	while (!started)
		;
	if (!strcmp(how, "result"))
		take_lower_descriptors();
	MUST(prctl(PR_SET_NAME, "the-case"));
	for (long i = 0; i < n; i++)
		seen[i] = open_one(i % FILES);
	MUST(prctl(PR_SET_NAME, "racer"));
	stop = 1;
	pthread_join(thread, NULL);
	open(END, O_RDONLY | O_CLOEXEC);
	return fwrite(seen, n, 1, stdout) != 1;
}
