/* Times of directories, kept until nothing is made in them any more: each new name would change them. */
#ifndef TSRUN_SNAPSHOT_DIRTIMES_H
#define TSRUN_SNAPSHOT_DIRTIMES_H

#include <stddef.h>
#include <time.h>

struct dirtime {
	char *path;
	struct timespec time;
};

struct dirtimes {
	struct dirtime *all;
	size_t count;
	size_t room;
};

int dirtimes_add(struct dirtimes *times, const char *path, struct timespec time);

/* A directory that another entry has replaced meanwhile is left alone. 0, or -1 with errno. */
int dirtimes_apply(const struct dirtimes *times, int root_fd);

#endif
