/* Reading the sub-directories of a directory without the heap that opendir(3) takes. */
#ifndef TSRUN_DIRECTORY_H
#define TSRUN_DIRECTORY_H

#include <dirent.h>
#include <string.h>
#include <unistd.h>

struct directory {
	int fd;
	long length;
	long at;
	_Alignas(struct dirent64) char buffer[1024];
};

/* Starts over at the first entry; fd stays the caller's. 0, or -1 with errno. */
static inline int directory_rewind(struct directory *directory, int fd)
{
	directory->fd = fd;
	directory->length = 0;
	directory->at = 0;
	return lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0;
}

/* The next sub-directory's name, valid until the next call; NULL at the end. */
static inline const char *directory_next(struct directory *directory)
{
	for (;;) {
		const struct dirent64 *entry;

		if (directory->at >= directory->length) {
			directory->at = 0;
			directory->length = getdents64(directory->fd, directory->buffer, sizeof(directory->buffer));
			if (directory->length <= 0)
				return NULL;
		}
		entry = (const void *)(directory->buffer + directory->at);
		directory->at += entry->d_reclen;
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return entry->d_name;
	}
}

#endif
