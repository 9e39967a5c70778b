/*
 * The entry stream: how a tree of files travels between TypeScript, which knows tar, and this program, which knows
 * the file system. One header an entry, then path, link and attributes without terminators, then what the file holds
 * in chunks with their offsets, so that holes stay holes; a chunk of length 0 ends it. An entry END ends the stream.
 *
 * Little endian. Mirrored by src/snapshot/entry.ts.
 */
#ifndef TSRUN_SNAPSHOT_STREAM_H
#define TSRUN_SNAPSHOT_STREAM_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "failure.h"

#define ENTRY_MAGIC 0x45525354u
#define XATTRS_MAX  (1u << 20)

enum entry_kind {
	ENTRY_END = 1,
	ENTRY_DIRECTORY,
	ENTRY_FILE,
	ENTRY_SYMLINK,
	ENTRY_HARDLINK, /* link: a path below the root */
	ENTRY_CHARACTER,
	ENTRY_BLOCK,
	ENTRY_FIFO,
	ENTRY_WHITEOUT,	  /* what the layers below have at path is gone */
	ENTRY_ATTRIBUTES, /* of a directory that has been made without an entry of its own */
};

enum entry_flag {
	ENTRY_OPAQUE = 1,  /* directory: what the layers below have in it is gone */
	ENTRY_NO_DATA = 2, /* file: no chunks follow */
	ENTRY_KEEP = 4,	   /* what is there already wins */
	ENTRY_BARE = 8,	   /* directory: owner, mode and times are not given: of one that is there they stay */
	ENTRY_SAME = 16,   /* a directory takes the place of directories alone, anything else of anything else */
};

struct entry_header {
	uint32_t magic;
	uint8_t kind;
	uint8_t flags;
	uint16_t links; /* names that the file has, as far as 16 bits count */
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t path_length;
	uint32_t link_length;
	uint32_t xattrs_length;
	uint64_t size;
	int64_t mtime;
	uint64_t blocks; /* of 512 bytes, only written by pack */
	uint32_t mtime_nsec;
	uint32_t index; /* of the entry in the stream */
};

_Static_assert(sizeof(struct entry_header) == 72, "read by src/snapshot/entry.ts");

/* xattrs: name and value one behind the other, behind each such header. */
struct xattr_header {
	uint32_t name_length;
	uint32_t value_length;
};

struct chunk_header {
	uint64_t offset;
	uint32_t length;
	uint32_t zero;
};

struct entry {
	struct entry_header h;
	char path[PATH_MAX];
	char link[PATH_MAX];
	unsigned char *xattrs; /* XATTRS_MAX bytes */
};

struct stream {
	int fd;
	size_t at;
	size_t length;
	unsigned char buffer[1u << 18];
};

/* 0, or -1: a stream that ends too early or is malformed is EPROTO. */
int stream_read_entry(struct stream *stream, struct entry *entry, struct failure *reterr);

/* Up to the end of a file's data, into fd (-1: nowhere); its length is set to entry->h.size. */
int stream_read_data(struct stream *stream, int fd, const struct entry *entry, struct failure *reterr);

int stream_write(struct stream *stream, const void *bytes, size_t size, struct failure *reterr);
int stream_write_entry(struct stream *stream, const struct entry *entry, struct failure *reterr);

/* The data of fd as chunks, with its holes left out; ends with the empty chunk. */
int stream_write_data(struct stream *stream, int fd, struct failure *reterr);
int stream_flush(struct stream *stream, struct failure *reterr);

/* As FAIL, with the entry's path as detail. */
int fail_entry(const struct entry *entry, const char *call, int line, struct failure *reterr);
#define FAIL_ENTRY(entry, call, reterr) fail_entry((entry), (call), __LINE__, (reterr))

#endif
