/*
 * Removing trees: see remove.h.
 *
 * A tree may be deeper than there are descriptors or stack: a subdirectory that is not empty is moved up under a name
 * of its own first, so that the work is never more than two levels deep.
 */
#include "remove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "cleanup.h"
#include "directory.h"

/* Hoists what is in the directory `from` into `to`, directories under new names; all else is removed. */
static int hoist(int from, int to, unsigned int *serial)
{
	struct directory directory;
	const struct dirent64 *entry;
	char name[32];

	if (directory_rewind(&directory, from) < 0)
		return -1;
	while ((entry = directory_next(&directory)) != NULL) {
		if (unlinkat(from, entry->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM)
			return -1;
		if (unlinkat(from, entry->d_name, AT_REMOVEDIR) == 0)
			continue;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return -1;
		do
			(void)snprintf(name, sizeof(name), ".remove.%u", (*serial)++);
		while (faccessat(to, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
		if (renameat(from, entry->d_name, to, name) < 0)
			return -1;
	}
	return directory.length < 0 ? -1 : 0;
}

/* One pass over the directory. 1: there was something. */
static int pass(int fd, unsigned int *serial)
{
	struct directory directory;
	const struct dirent64 *entry;
	int found = 0;

	if (directory_rewind(&directory, fd) < 0)
		return -1;
	while ((entry = directory_next(&directory)) != NULL) {
		cleanup_fd int child = -1;

		found = 1;
		if (unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM)
			return -1;
		child = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child < 0 || hoist(child, fd, serial) < 0)
			return -1;
		/* Moved entries can hide others from a reader of the same directory: the next pass finds those. */
		if (unlinkat(fd, entry->d_name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY)
			return -1;
	}
	return directory.length < 0 ? -1 : found;
}

int remove_content(int fd)
{
	unsigned int serial = 0;
	int result;

	do
		result = pass(fd, &serial);
	while (result > 0);
	return result;
}

int remove_tree(int dirfd, const char *name)
{
	cleanup_fd int fd = -1;

	if (unlinkat(dirfd, name, 0) == 0)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || remove_content(fd) < 0)
		return -1;
	return unlinkat(dirfd, name, AT_REMOVEDIR);
}
