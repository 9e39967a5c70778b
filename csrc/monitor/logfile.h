/*
 * A file that a log goes to. At max_size it becomes PATH.1, which was PATH.1 becomes PATH.2, up to PATH.(max_files-1).
 * The daemon makes PATH.1.gz of PATH.1 (src/daemon/logs/compress.ts): such a file moves up in the same way.
 * A write that fails (a full disk) leaves no half entry, is counted, and never stops the container.
 */
#ifndef TSRUN_MONITOR_LOGFILE_H
#define TSRUN_MONITOR_LOGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logfile {
	const char *path;
	uint64_t max_size; /* 0: no limit */
	unsigned int max_files;
	int fd; /* -1: could not be opened, tried again with each write */
	uint64_t size;
	uint64_t lost; /* entries since the last write that went well */
	int error;     /* of the first of them */
};

/* Appends to what is there. 0, or -1 with errno. */
int logfile_open(struct logfile *file, const char *path, uint64_t max_size, unsigned int max_files);

/* So many bytes more are too many: it is rotated before they are written, if there are others in it. */
bool logfile_is_full(const struct logfile *file, size_t size);

/* count: entries in the bytes. 0, or -1 when they are lost. */
int logfile_append(struct logfile *file, const void *bytes, size_t size, uint64_t count);

void logfile_close(struct logfile *file);

#endif
