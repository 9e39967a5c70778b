/* Bytes that grow, in a mapping of their own: the executor has no heap. */
#ifndef TSRUN_BUFFER_H
#define TSRUN_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

struct buffer {
	char *at;
	size_t size;
	size_t room;
	bool failed; /* there was no memory for some of it */
};

/* Room for so many bytes behind those that are there. NULL: no memory. */
static inline char *buffer_reserve(struct buffer *buffer, size_t size)
{
	size_t room = buffer->room == 0 ? 16384 : buffer->room;
	void *at;

	while (room - buffer->size < size)
		room *= 2;
	if (room != buffer->room) {
		at = buffer->at == NULL ? mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
					: mremap(buffer->at, buffer->room, room, MREMAP_MAYMOVE);
		if (at == MAP_FAILED) {
			buffer->failed = true;
			return NULL;
		}
		buffer->at = at;
		buffer->room = room;
	}
	return buffer->at + buffer->size;
}

static inline void buffer_add(struct buffer *buffer, const void *bytes, size_t size)
{
	char *end = buffer_reserve(buffer, size);

	if (end == NULL || size == 0)
		return;
	memcpy(end, bytes, size);
	buffer->size += size;
}

#endif
