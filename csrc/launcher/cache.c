/* Looking for a plan: see cache.h. */
#include "cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "io.h"
#include "plan.h"

#define DEFAULT_DIRECTORY "/run/tsrun-cache"
#define WAYS		  4 /* entries of one shape */
#define OTHERS		  077
#define ALL_SEALS	  (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

const char *cache_directory(void)
{
	const char *given = getenv("TSRUN_CACHE");

	if (given != NULL && strcmp(given, "off") == 0)
		return NULL;
	return given != NULL && *given == '/' ? given : DEFAULT_DIRECTORY;
}

static bool is_ours_alone(const struct stat *st)
{
	return st->st_uid == 0 && (st->st_mode & OTHERS) == 0;
}

static int open_directory(const char *path)
{
	cleanup_fd int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !is_ours_alone(&st))
		return -1;
	return steal_fd(&fd);
}

/* A copy: what was checked must not change. *ret_used: when it was made or last used. The descriptor, or -1. */
static int load(int dir, const char *name, struct entry *ret_entry, time_t *ret_used)
{
	static _Alignas(8) uint8_t bytes[ENTRY_MAX_BYTES];
	cleanup_fd int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	*ret_used = 0;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !is_ours_alone(&st))
		return -1;
	if (st.st_size > (off_t)sizeof(bytes) || read_upto(fd, bytes, (size_t)st.st_size) != st.st_size)
		return -1;
	if (entry_open(bytes, (size_t)st.st_size, ret_entry) < 0 || !entry_is_fresh(ret_entry))
		return -1;
	*ret_used = st.st_mtime;
	return steal_fd(&fd);
}

static int map_plan(const struct entry *entry, const struct text *values, int fd, size_t size)
{
	uint32_t offset;
	uint8_t *plan;
	int result;

	if (ftruncate(fd, (off_t)size) < 0)
		return -1;
	plan = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (plan == MAP_FAILED)
		return -1;
	entry_fill(entry, values, plan, size);
	result = plan_verify(plan, size, &offset);
	(void)munmap(plan, size);
	return result;
}

/* As Node hands it to the executor: a sealed memfd. -1: it is no plan. */
static int make_plan(const struct entry *entry, const struct text *values)
{
	cleanup_fd int fd = -1;
	size_t size = entry_plan_size(entry, values);

	if (size == 0)
		return -1;
	fd = memfd_create("tsrun-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || map_plan(entry, values, fd, size) < 0 || fcntl(fd, F_ADD_SEALS, ALL_SEALS) < 0)
		return -1;
	return steal_fd(&fd);
}

/* For `tsrun plan --cache`; the file is now the one used last. Two at once may count as one. */
static void count_hit(const struct entry *entry, int fd)
{
	uint64_t hits = entry->header->hits + 1;

	(void)!pwrite(fd, &hits, sizeof(hits), offsetof(struct entry_header, hits));
}

void cache_find(const char *directory, const struct question *question, struct cached *ret_cached)
{
	static struct text values[ENTRY_MAX_SLOTS];
	cleanup_fd int dir = open_directory(directory);
	time_t oldest = INT64_MAX;

	ret_cached->plan_fd = -1;
	for (int way = 0; way < WAYS && ret_cached->plan_fd < 0; way++) {
		char name[CACHE_NAME_SIZE];
		struct entry entry;
		time_t used;

		(void)snprintf(name, sizeof(name), "%016llx-%d", (unsigned long long)question->shape, way);
		cleanup_fd int fd = dir < 0 ? -1 : load(dir, name, &entry, &used);
		if (fd >= 0 && entry_match(&entry, question->text, values)) {
			ret_cached->terminal = (entry.header->flags & ENTRY_TERMINAL) != 0;
			ret_cached->plan_fd = make_plan(&entry, values);
			count_hit(&entry, fd);
		}
		/* The first that is missing or of no use, or else the one that was not used for the longest time. */
		if (fd < 0)
			used = 0;
		if (used >= oldest)
			continue;
		oldest = used;
		memcpy(ret_cached->name, name, sizeof(name));
	}
}
