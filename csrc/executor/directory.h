/* Reading a directory without the heap that opendir(3) takes. */
#ifndef TSRUN_DIRECTORY_H
#define TSRUN_DIRECTORY_H

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "sys.h"

struct directory {
	int fd;
	long length; /* of buffer; after the end 0, or -1 and errno says why */
	long at;
	_Alignas(struct dirent64) char buffer[4096];
};

/* Starts over at the first entry; fd stays the caller's. 0, or -1 with errno. */
static inline int directory_rewind(struct directory *directory, int fd)
{
	directory->fd = fd;
	directory->length = 0;
	directory->at = 0;
	return lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0;
}

/* The next entry, "." and ".." left out, valid until the next call; NULL at the end. */
static inline const struct dirent64 *directory_next(struct directory *directory)
{
	for (;;) {
		const struct dirent64 *entry;

		if (directory->at >= directory->length) {
			directory->at = 0;
			directory->length = sys_getdents(directory->fd, directory->buffer, sizeof(directory->buffer));
			if (directory->length <= 0)
				return NULL;
		}
		entry = (const void *)(directory->buffer + directory->at);
		directory->at += entry->d_reclen;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return entry;
	}
}

#endif
