/* Names of one file: see hardlinks.h. Open addressing, at most half full. */
#include "hardlinks.h"

#include <stdlib.h>
#include <string.h>

static struct hardlink *find(const struct hardlinks *links, dev_t device, ino_t inode)
{
	uint64_t hash = ((uint64_t)inode ^ (uint64_t)device << 32) * 0x9E3779B97F4A7C15ULL;
	size_t at = (size_t)(hash >> 32) & (links->room - 1);

	while (links->all[at].path != NULL && (links->all[at].device != device || links->all[at].inode != inode))
		at = (at + 1) & (links->room - 1);
	return &links->all[at];
}

static int grow(struct hardlinks *links)
{
	struct hardlinks larger = { .room = links->room == 0 ? 256 : links->room * 2, .count = links->count };

	larger.all = calloc(larger.room, sizeof(*larger.all));
	if (larger.all == NULL)
		return -1;
	for (size_t i = 0; i < links->room; i++)
		if (links->all[i].path != NULL)
			*find(&larger, links->all[i].device, links->all[i].inode) = links->all[i];
	free(links->all);
	*links = larger;
	return 0;
}

int hardlinks_first(struct hardlinks *links, const struct stat *st, const char *path, const char **ret_first)
{
	struct hardlink *place;

	if (links->count * 2 >= links->room && grow(links) < 0)
		return -1;
	place = find(links, st->st_dev, st->st_ino);
	*ret_first = place->path;
	if (place->path != NULL)
		return 0;
	*place = (struct hardlink){ .device = st->st_dev, .inode = st->st_ino, .path = strdup(path) };
	links->count++;
	return place->path == NULL ? -1 : 0;
}
