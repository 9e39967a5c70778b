/* Times of directories: see dirtimes.h. */
#include "dirtimes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "saferoot.h"

int dirtimes_add(struct dirtimes *times, const char *path, struct timespec time)
{
	if (times->count == times->room) {
		size_t room = times->room == 0 ? 256 : times->room * 2;
		struct dirtime *all = realloc(times->all, room * sizeof(*all));

		if (all == NULL)
			return -1;
		times->all = all;
		times->room = room;
	}
	times->all[times->count] = (struct dirtime){ .path = strdup(path), .time = time };
	return times->all[times->count++].path == NULL ? -1 : 0;
}

int dirtimes_apply(const struct dirtimes *times, int root_fd)
{
	for (size_t i = 0; i < times->count; i++) {
		const struct timespec both[2] = { times->all[i].time, times->all[i].time };
		cleanup_fd int fd = saferoot_open(root_fd, times->all[i].path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

		if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
			return -1;
		if (fd >= 0 && futimens(fd, both) < 0)
			return -1;
	}
	return 0;
}
