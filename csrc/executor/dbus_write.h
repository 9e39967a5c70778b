/*
 * A method call put together: what the D-Bus specification calls marshaling, for the few types that calls to systemd
 * take. Texts and blobs stay where they are; between them goes what is small.
 */
#ifndef TSRUN_DBUS_WRITE_H
#define TSRUN_DBUS_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define DBUS_PARTS   64
#define DBUS_SCRATCH 1024

struct dbus_method {
	const char *destination;
	const char *path;
	const char *interface;
	const char *member;
	const char *signature;
};

/* Not to be copied: parts point into scratch. */
struct dbus_call {
	struct iovec parts[DBUS_PARTS];
	int count;
	size_t size; /* of all parts, which is where the next byte stands */
	size_t body;
	uint8_t scratch[DBUS_SCRATCH];
	size_t used;
	bool full; /* more parts than there is room for: the call cannot be sent */
};

struct dbus_array {
	size_t length_at; /* in scratch */
	size_t begin;
};

void dbus_begin_call(struct dbus_call *call, const struct dbus_method *method);

/* The next value stands at a multiple of this. */
void dbus_align(struct dbus_call *call, size_t to);

/* As they are. They must last until the call was sent. */
void dbus_put_bytes(struct dbus_call *call, const void *bytes, size_t size);

void dbus_put_u32(struct dbus_call *call, uint32_t value);

/* "s" and "o". The text must last. */
void dbus_put_text(struct dbus_call *call, const char *text);

struct dbus_array dbus_begin_array(struct dbus_call *call, size_t alignment);
void dbus_end_array(struct dbus_call *call, struct dbus_array array);

/* One (sv) whose value is a text. */
void dbus_put_property(struct dbus_call *call, const char *name, const char *value);

/* The last step: the head gets the serial and the length of the body. False: it did not fit. */
bool dbus_end_call(struct dbus_call *call, uint32_t serial);

#endif
