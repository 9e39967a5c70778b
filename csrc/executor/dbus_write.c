/* Marshaling: see dbus_write.h. Everything is little endian, as this machine is. */
#include "dbus_write.h"

#include <string.h>

#define METHOD_CALL 1
#define PROTOCOL    1
#define BODY_AT	    4
#define SERIAL_AT   8

enum header_field { FIELD_PATH = 1, FIELD_INTERFACE = 2, FIELD_MEMBER = 3, FIELD_DESTINATION = 6, FIELD_SIGNATURE = 8 };

void dbus_put_bytes(struct dbus_call *call, const void *bytes, size_t size)
{
	if (size == 0)
		return;
	if (call->count == DBUS_PARTS) {
		call->full = true;
		return;
	}
	call->parts[call->count++] = (struct iovec){ .iov_base = (void *)(uintptr_t)bytes, .iov_len = size };
	call->size += size;
}

/* What is small is copied, and makes one part with what was copied before it. */
static void put_copy(struct dbus_call *call, const void *bytes, size_t size)
{
	uint8_t *at = call->scratch + call->used;
	struct iovec *last = call->count == 0 ? NULL : &call->parts[call->count - 1];

	if (size > DBUS_SCRATCH - call->used) {
		call->full = true;
		return;
	}
	memcpy(at, bytes, size);
	call->used += size;
	if (last == NULL || (uint8_t *)last->iov_base + last->iov_len != at) {
		dbus_put_bytes(call, at, size);
		return;
	}
	last->iov_len += size;
	call->size += size;
}

void dbus_align(struct dbus_call *call, size_t to)
{
	static const uint8_t zeros[8];

	put_copy(call, zeros, (to - call->size % to) % to);
}

void dbus_put_u32(struct dbus_call *call, uint32_t value)
{
	dbus_align(call, sizeof(value));
	put_copy(call, &value, sizeof(value));
}

void dbus_put_text(struct dbus_call *call, const char *text)
{
	size_t length = strlen(text);

	dbus_put_u32(call, (uint32_t)length);
	dbus_put_bytes(call, text, length);
	put_copy(call, "", 1);
}

/* "g": its length is one byte. */
static void put_signature(struct dbus_call *call, const char *signature)
{
	uint8_t length = (uint8_t)strlen(signature);

	put_copy(call, &length, 1);
	put_copy(call, signature, length + (size_t)1);
}

struct dbus_array dbus_begin_array(struct dbus_call *call, size_t alignment)
{
	struct dbus_array array;

	dbus_put_u32(call, 0);
	array.length_at = call->used - sizeof(uint32_t);
	dbus_align(call, alignment);
	array.begin = call->size;
	return array;
}

static void set_u32(struct dbus_call *call, size_t at, uint32_t value)
{
	memcpy(call->scratch + at, &value, sizeof(value));
}

void dbus_end_array(struct dbus_call *call, struct dbus_array array)
{
	if (!call->full)
		set_u32(call, array.length_at, (uint32_t)(call->size - array.begin));
}

void dbus_put_property(struct dbus_call *call, const char *name, const char *value)
{
	dbus_align(call, 8);
	dbus_put_text(call, name);
	put_signature(call, "s");
	dbus_put_text(call, value);
}

static void put_field(struct dbus_call *call, uint8_t code, const char *type, const char *value)
{
	dbus_align(call, 8);
	put_copy(call, &code, 1);
	put_signature(call, type);
	if (*type == 'g')
		put_signature(call, value);
	else
		dbus_put_text(call, value);
}

void dbus_begin_call(struct dbus_call *call, const struct dbus_method *method)
{
	const uint8_t begin[4] = { 'l', METHOD_CALL, 0, PROTOCOL };
	struct dbus_array fields;

	call->count = 0;
	call->size = call->used = 0;
	call->full = false;
	put_copy(call, begin, sizeof(begin));
	dbus_put_u32(call, 0);
	dbus_put_u32(call, 0);
	fields = dbus_begin_array(call, 8);
	put_field(call, FIELD_PATH, "o", method->path);
	put_field(call, FIELD_INTERFACE, "s", method->interface);
	put_field(call, FIELD_MEMBER, "s", method->member);
	put_field(call, FIELD_DESTINATION, "s", method->destination);
	if (*method->signature != '\0')
		put_field(call, FIELD_SIGNATURE, "g", method->signature);
	dbus_end_array(call, fields);
	dbus_align(call, 8);
	call->body = call->size;
}

bool dbus_end_call(struct dbus_call *call, uint32_t serial)
{
	if (call->full)
		return false;
	set_u32(call, BODY_AT, (uint32_t)(call->size - call->body));
	set_u32(call, SERIAL_AT, serial);
	return true;
}
