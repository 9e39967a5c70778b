/*
 * One entry of a log: a line of the program with its line end, or a part of a line that is longer than ENTRY_MAX or
 * that no line end ended. Two forms:
 *
 *   json-file   {"log":"…","stream":"stdout","attrs":{…},"time":"…"}\n, as dockerd writes it: what is no UTF-8
 *               becomes U+FFFD
 *   local       u32 length, u8 stream, u8 1 for a part, u16 0, u64 nanoseconds, the bytes, u32 length; little endian.
 *               The length behind the bytes is for those who read from the end
 */
#ifndef TSRUN_MONITOR_ENTRY_H
#define TSRUN_MONITOR_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define ENTRY_MAX     16384
#define LOCAL_HEADER  16
#define LOCAL_TRAILER 4
/* A byte becomes six at most: \u0000. */
#define JSON_SIZE(length, attributes) ((length)*6 + (attributes) + 128)

enum stream { STREAM_STDOUT = 1, STREAM_STDERR = 2 };

struct entry {
	const char *text; /* without the line end */
	size_t length;
	struct timespec time;
	uint8_t stream;
	bool partial; /* no line end follows */
};

/* ret_text has JSON_SIZE() bytes. Bytes written. */
size_t entry_json(const struct entry *entry, const char *attributes, char *ret_text);

/* ret_bytes has room for header, text, line end and trailer. Bytes written. */
size_t entry_local(const struct entry *entry, uint8_t *ret_bytes);

#endif
