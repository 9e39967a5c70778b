/* Builds what a server of D-Bus sends, for the tests; not with dbus_write.c, which is tested. */
#ifndef TSRUN_BUILD_REPLY_H
#define TSRUN_BUILD_REPLY_H

#include <string.h>

#include "dbus.h"

/* What the server sends: built byte by byte, at the offsets that alignment counts from. */
struct message {
	uint8_t bytes[DBUS_MESSAGE_MAX * 2];
	size_t size;
};

static inline void put(struct message *to, const void *bytes, size_t size)
{
	memcpy(to->bytes + to->size, bytes, size);
	to->size += size;
}

static inline void align(struct message *to, size_t alignment)
{
	while (to->size % alignment != 0)
		to->bytes[to->size++] = 0;
}

static inline void put_u32(struct message *to, uint32_t value)
{
	align(to, 4);
	put(to, &value, sizeof(value));
}

static inline void put_text(struct message *to, const char *text)
{
	put_u32(to, (uint32_t)strlen(text));
	put(to, text, strlen(text) + 1);
}

static inline void put_field(struct message *to, uint8_t code, const char *type)
{
	uint8_t length = (uint8_t)strlen(type);

	align(to, 8);
	put(to, &code, 1);
	put(to, &length, 1);
	put(to, type, length + 1u);
}

struct reply {
	uint8_t type;
	uint32_t serial; /* replied to */
	const char *member;
	const char *error;
	const char *signature;
	const char *texts[4]; /* each of the signature's letters; a number's is ignored */
};

static inline void put_signature(struct message *to, const char *signature)
{
	uint8_t length = (uint8_t)strlen(signature);

	put_field(to, 8, "g");
	put(to, &length, 1);
	put(to, signature, length + 1u);
}

static inline void put_fields(struct message *to, const struct reply *reply)
{
	if (reply->serial != 0) {
		put_field(to, 5, "u");
		put_u32(to, reply->serial);
	}
	if (reply->member != NULL) {
		put_field(to, 3, "s");
		put_text(to, reply->member);
	}
	if (reply->error != NULL) {
		put_field(to, 4, "s");
		put_text(to, reply->error);
	}
	if (reply->signature != NULL)
		put_signature(to, reply->signature);
}

static inline void build(struct message *to, const struct reply *reply)
{
	const uint8_t begin[4] = { 'l', reply->type, 0, 1 };
	uint32_t size;
	size_t body;

	*to = (struct message){ .size = 0 };
	put(to, begin, sizeof(begin));
	put_u32(to, 0);
	put_u32(to, 1);
	put_u32(to, 0);
	put_fields(to, reply);
	size = (uint32_t)(to->size - 16);
	memcpy(to->bytes + 12, &size, sizeof(size));
	align(to, 8);
	body = to->size;
	for (size_t i = 0; reply->signature != NULL && reply->signature[i] != '\0'; i++) {
		if (reply->signature[i] == 'u')
			put_u32(to, 7);
		else
			put_text(to, reply->texts[i]);
	}
	size = (uint32_t)(to->size - body);
	memcpy(to->bytes + 4, &size, sizeof(size));
}

#endif
