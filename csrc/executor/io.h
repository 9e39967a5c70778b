/* Whole reads and writes: EINTR and short counts are handled here, once. */
#ifndef TSRUN_IO_H
#define TSRUN_IO_H

#include <stddef.h>
#include <sys/types.h>

/* 0, or -1 with errno. */
int write_all(int fd, const void *bytes, size_t size);

/* To stdout, which may be one that does not block: waits where it is full. 0, or -1 with errno. */
int print_all(const char *text, size_t size);

/* Bytes read (less than size only at end of file), or -1 with errno. */
ssize_t read_upto(int fd, void *buffer, size_t size);

/* In one write(2), as kernel files want it: a second one would be a second value. 0, or -1 with errno. */
int write_once(int fd, const char *text);

/* Opens the file below dirfd and writes one value. 0, or -1 with errno. */
int write_file_at(int dirfd, const char *path, const char *text);

/* Reads a small file below dirfd into buffer and terminates it. Length, or -1 with errno (EFBIG: too long). */
ssize_t read_file_at(int dirfd, const char *path, char *buffer, size_t size);

/* Closes every descriptor from this number on but these; -1 among them counts for nothing. */
void close_except(unsigned int from, const int *fds, size_t count);

#endif
