/* One cgroup of a cgroup2 hierarchy: see cgroup.h. */
#include "cgroup.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#include "cleanup.h"
#include "directory.h"
#include "io.h"
#include "sys.h"

#define MARK_NAME	  "trusted.tsrun" /* needs CAP_SYS_ADMIN over the host, which no container can bring */
#define MADE_NAME	  "cgroup"
#define MARK_MAX	  (NAME_MAX + 64)
#define NESTING_MAX	  32 /* for listing pids; what is deeper is killed all the same */
#define EMPTY_DEADLINE_MS 10000

static int add_component(char *path, size_t *length, const char *name, size_t size)
{
	if (size == 0 || (size == 1 && name[0] == '.'))
		return 0;
	if (size == 2 && name[0] == '.' && name[1] == '.') {
		errno = EINVAL;
		return -1;
	}
	/* Normalising in place: the result is never ahead of what is still to be read. */
	if (*length > 0)
		path[(*length)++] = '/';
	memmove(path + *length, name, size);
	*length += size;
	return 0;
}

int cgroup_path(const struct context *ctx, const char *text, char *ret_path, struct failure *reterr)
{
	size_t length = 0;
	const char *at = ret_path;

	if (expand_slots(ctx, text, STATUS_CREATING, ret_path, PATH_MAX) < 0)
		return FAIL(reterr, "slots");
	for (;;) {
		size_t size = strcspn(at, "/");
		bool last = at[size] == '\0';

		if (add_component(ret_path, &length, at, size) < 0)
			return FAIL(reterr, "openat2");
		if (last)
			break;
		at += size + 1;
	}
	ret_path[length] = '\0';
	if (length > 0)
		return 0;
	errno = EINVAL;
	return FAIL(reterr, "openat2");
}

int cgroup_open(int fd, const char *path)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};

	return sys_openat2(fd, path, &how);
}

/* Ids repeat in other roots, and a root may be spelled in many ways: its inode names it. */
static size_t own_mark(const struct context *ctx, char *ret_mark)
{
	struct stat root = { 0 };

	(void)fstat(ctx->root_fd, &root);
	return (size_t)snprintf(ret_mark, MARK_MAX, "%lx:%lx/%s", root.st_dev, root.st_ino, ctx->args->id);
}

enum cgroup_mark cgroup_mark_of(const struct context *ctx, int fd)
{
	char owner[MARK_MAX];
	char own[MARK_MAX];
	ssize_t length = fgetxattr(fd, MARK_NAME, owner, sizeof(owner));

	if (length < 0)
		return MARK_NONE;
	if (length == 0)
		return MARK_SHARED;
	if ((size_t)length == own_mark(ctx, own) && memcmp(owner, own, (size_t)length) == 0)
		return MARK_OWN;
	return MARK_OTHER;
}

void cgroup_mark_own(const struct context *ctx, int fd)
{
	char own[MARK_MAX];
	size_t length = own_mark(ctx, own);

	(void)fsetxattr(fd, MARK_NAME, own, length, 0);
}

void cgroup_mark_shared(int fd)
{
	(void)fsetxattr(fd, MARK_NAME, "", 0, 0);
}

void cgroup_will_make(struct context *ctx, const char *rest)
{
	char number[16];
	uint32_t count = *rest == '\0' ? 1 : 2;

	if (ctx->cgroup_dirs_made > 0)
		return;
	for (const char *at = rest; *at != '\0'; at++)
		count += *at == '/' ? 1 : 0;
	ctx->cgroup_dirs_made = count;
	/* A symbolic link: whole or not there, in one call. No fsync: cgroups do not outlast the system either. */
	(void)snprintf(number, sizeof(number), "%u", count);
	(void)unlinkat(ctx->state_fd, MADE_NAME, 0);
	if (symlinkat(number, ctx->state_fd, MADE_NAME) < 0)
		return; /* the marks and the runtime record still tell, but for a kill at the worst moment */
}

uint32_t cgroup_made(const struct context *ctx)
{
	char number[16];
	ssize_t length;

	if (ctx->cgroup_dirs_made > 0)
		return ctx->cgroup_dirs_made;
	length = readlinkat(ctx->state_fd, MADE_NAME, number, sizeof(number) - 1);
	if (length <= 0)
		return 0;
	number[length] = '\0';
	return (uint32_t)strtoul(number, NULL, 10);
}

static bool has_event(const char *events, const char *key)
{
	const char *at = strstr(events, key);

	return at != NULL && strncmp(at + strlen(key), " 1", 2) == 0;
}

bool cgroup_event(int fd, const char *key)
{
	char events[256];

	return read_file_at(fd, "cgroup.events", events, sizeof(events)) > 0 && has_event(events, key);
}

static void add_pids(int fd, unsigned int depth, struct failure *reterr)
{
	cleanup_fd int procs = openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	struct directory directory;
	const struct dirent64 *entry;
	char text[512];
	ssize_t got = procs < 0 ? 0 : read_upto(procs, text, sizeof(text));

	if (got > 0)
		failure_detail(reterr, text, (size_t)got);
	if (depth == NESTING_MAX || directory_rewind(&directory, fd) < 0)
		return;
	while ((entry = directory_next(&directory)) != NULL) {
		cleanup_fd int child = entry->d_type == DT_DIR ? cgroup_open(fd, entry->d_name) : -1;

		if (child >= 0)
			add_pids(child, depth + 1, reterr);
	}
}

void cgroup_detail_pids(int fd, struct failure *reterr)
{
	add_pids(fd, 0, reterr);
}

int cgroup_kill(int fd)
{
	/* Since Linux 5.14. Frozen processes die too, and no fork gets away. */
	return write_file_at(fd, "cgroup.kill", "1") == 0 || errno == ENODEV ? 0 : -1;
}

static int milliseconds_left(const struct timespec *start, int limit)
{
	struct timespec now;
	long passed;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	passed = (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
	return passed >= limit ? 0 : limit - (int)passed;
}

int cgroup_wait_event(int fd, const char *key, bool wanted, int milliseconds)
{
	cleanup_fd int events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	struct pollfd changed = { .fd = events, .events = POLLPRI };
	struct timespec start;
	char text[256];
	int left = milliseconds;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	while (left > 0) {
		ssize_t got = pread(events, text, sizeof(text) - 1, 0);

		/* Gone while we looked, or the root cgroup, which has no such file. */
		if (got <= 0)
			return 0;
		text[got] = '\0';
		if (has_event(text, key) == wanted)
			return 0;
		(void)poll(&changed, 1, left);
		left = milliseconds_left(&start, milliseconds);
	}
	errno = EBUSY;
	return -1;
}

int cgroup_wait_empty(int fd, struct failure *reterr)
{
	if (cgroup_wait_event(fd, "populated", false, EMPTY_DEADLINE_MS) == 0)
		return 0;
	(void)FAIL_AS(reterr, PROBLEM_BUSY, "cgroup.kill");
	cgroup_detail_pids(fd, reterr);
	return -1;
}
