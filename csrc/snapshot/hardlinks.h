/* Which files have been seen under another name: a table of (device, inode) and the first path. */
#ifndef TSRUN_SNAPSHOT_HARDLINKS_H
#define TSRUN_SNAPSHOT_HARDLINKS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct hardlink {
	dev_t device;
	ino_t inode;
	char *path; /* NULL: a free place */
};

struct hardlinks {
	struct hardlink *all;
	size_t count;
	size_t room; /* a power of two */
};

/* *ret_first is the path under which the file came first, or NULL when this is it. 0, or -1 with errno. */
int hardlinks_first(struct hardlinks *links, const struct stat *st, const char *path, const char **ret_first);

#endif
