/* The entry stream: see stream.h. */
#include "stream.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "io.h"

int fail_entry(const struct entry *entry, const char *call, int line, struct failure *reterr)
{
	(void)failure_set(reterr, PROBLEM_SYSCALL, call, line);
	failure_detail(reterr, entry->path, strlen(entry->path));
	return -1;
}

static int malformed(struct failure *reterr)
{
	errno = EPROTO;
	return FAIL(reterr, "read");
}

static int fill(struct stream *stream)
{
	ssize_t got;

	do
		got = read(stream->fd, stream->buffer, sizeof(stream->buffer));
	while (got < 0 && errno == EINTR);
	if (got == 0)
		errno = EPROTO;
	if (got <= 0)
		return -1;
	stream->at = 0;
	stream->length = (size_t)got;
	return 0;
}

static int take(struct stream *stream, void *bytes, size_t size, struct failure *reterr)
{
	unsigned char *to = bytes;

	while (size > 0) {
		size_t part = stream->length - stream->at;

		if (part == 0) {
			if (fill(stream) < 0)
				return FAIL(reterr, "read");
			continue;
		}
		if (part > size)
			part = size;
		memcpy(to, stream->buffer + stream->at, part);
		stream->at += part;
		to += part;
		size -= part;
	}
	return 0;
}

/* A NUL inside would make the kernel see another name than TypeScript judged. */
static int take_text(struct stream *stream, char *text, size_t size, uint32_t length, struct failure *reterr)
{
	if (length >= size)
		return malformed(reterr);
	if (take(stream, text, length, reterr) < 0)
		return -1;
	text[length] = '\0';
	return strlen(text) == length ? 0 : malformed(reterr);
}

int stream_read_entry(struct stream *stream, struct entry *entry, struct failure *reterr)
{
	if (take(stream, &entry->h, sizeof(entry->h), reterr) < 0)
		return -1;
	if (entry->h.magic != ENTRY_MAGIC || entry->h.xattrs_length > XATTRS_MAX)
		return malformed(reterr);
	if (take_text(stream, entry->path, sizeof(entry->path), entry->h.path_length, reterr) < 0)
		return -1;
	if (take_text(stream, entry->link, sizeof(entry->link), entry->h.link_length, reterr) < 0)
		return -1;
	return take(stream, entry->xattrs, entry->h.xattrs_length, reterr);
}

static int write_at(int fd, const unsigned char *bytes, size_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t written = pwrite(fd, bytes, size, (off_t)offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		bytes += written;
		offset += (uint64_t)written;
		size -= (size_t)written;
	}
	return 0;
}

static int read_chunk(
	struct stream *stream, int fd, struct chunk_header chunk, const struct entry *entry, struct failure *reterr)
{
	while (chunk.length > 0) {
		size_t part = stream->length - stream->at;

		if (part == 0) {
			if (fill(stream) < 0)
				return FAIL_ENTRY(entry, "read", reterr);
			continue;
		}
		if (part > chunk.length)
			part = chunk.length;
		if (fd >= 0 && write_at(fd, stream->buffer + stream->at, part, chunk.offset) < 0)
			return FAIL_ENTRY(entry, "pwrite", reterr);
		stream->at += part;
		chunk.offset += part;
		chunk.length -= (uint32_t)part;
	}
	return 0;
}

int stream_read_data(struct stream *stream, int fd, const struct entry *entry, struct failure *reterr)
{
	struct chunk_header chunk;
	uint64_t end = 0;

	if ((entry->h.flags & ENTRY_NO_DATA) != 0)
		return 0;
	for (;;) {
		if (take(stream, &chunk, sizeof(chunk), reterr) < 0)
			return -1;
		if (chunk.length == 0)
			break;
		if (chunk.offset > entry->h.size || chunk.length > entry->h.size - chunk.offset)
			return malformed(reterr);
		if (read_chunk(stream, fd, chunk, entry, reterr) < 0)
			return -1;
		end = chunk.offset + chunk.length;
	}
	if (fd >= 0 && end != entry->h.size && ftruncate(fd, (off_t)entry->h.size) < 0)
		return FAIL_ENTRY(entry, "ftruncate", reterr);
	return 0;
}

int stream_flush(struct stream *stream, struct failure *reterr)
{
	if (write_all(stream->fd, stream->buffer, stream->length) < 0)
		return FAIL(reterr, "write");
	stream->length = 0;
	return 0;
}

int stream_write(struct stream *stream, const void *bytes, size_t size, struct failure *reterr)
{
	if (size > sizeof(stream->buffer) - stream->length && stream_flush(stream, reterr) < 0)
		return -1;
	if (size > sizeof(stream->buffer))
		return write_all(stream->fd, bytes, size) < 0 ? FAIL(reterr, "write") : 0;
	memcpy(stream->buffer + stream->length, bytes, size);
	stream->length += size;
	return 0;
}

int stream_write_entry(struct stream *stream, const struct entry *entry, struct failure *reterr)
{
	struct entry_header header = entry->h;

	header.magic = ENTRY_MAGIC;
	header.path_length = (uint32_t)strlen(entry->path);
	header.link_length = (uint32_t)strlen(entry->link);
	if (stream_write(stream, &header, sizeof(header), reterr) < 0)
		return -1;
	if (stream_write(stream, entry->path, header.path_length, reterr) < 0)
		return -1;
	if (stream_write(stream, entry->link, header.link_length, reterr) < 0)
		return -1;
	return stream_write(stream, entry->xattrs, header.xattrs_length, reterr);
}

static int write_extent(struct stream *stream, int fd, off_t at, off_t end, struct failure *reterr)
{
	static unsigned char block[1u << 17];

	while (at < end) {
		size_t want = end - at < (off_t)sizeof(block) ? (size_t)(end - at) : sizeof(block);
		ssize_t got = pread(fd, block, want, at);
		struct chunk_header chunk = { .offset = (uint64_t)at };

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return FAIL(reterr, "pread");
		if (got == 0)
			return 0; /* it has shrunk */
		chunk.length = (uint32_t)got;
		if (stream_write(stream, &chunk, sizeof(chunk), reterr) < 0)
			return -1;
		if (stream_write(stream, block, (size_t)got, reterr) < 0)
			return -1;
		at += got;
	}
	return 0;
}

int stream_write_data(struct stream *stream, int fd, struct failure *reterr)
{
	const struct chunk_header end = { 0 };
	off_t size = lseek(fd, 0, SEEK_END);
	off_t at = 0;

	if (size < 0)
		return FAIL(reterr, "lseek");
	while (at < size) {
		off_t data = lseek(fd, at, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);

		if (data < 0 && errno == ENXIO)
			break; /* nothing but a hole is left */
		if (data < 0 || hole < 0)
			return FAIL(reterr, "lseek");
		if (write_extent(stream, fd, data, hole < size ? hole : size, reterr) < 0)
			return -1;
		at = hole;
	}
	return stream_write(stream, &end, sizeof(end), reterr);
}
