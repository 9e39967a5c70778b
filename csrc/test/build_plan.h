/* Builds small plans for the tests, as src/plan/encode.ts does: records first, then the string area. */
#ifndef TSRUN_BUILD_PLAN_H
#define TSRUN_BUILD_PLAN_H

#include <stdlib.h>
#include <string.h>

#include "plan.h"

#define BUILD_RECORDS	 16u
#define BUILD_STRINGS	 32768u
#define BUILD_STRINGS_AT (PLAN_HEADER_SIZE + LIST_COUNT * BUILD_RECORDS * PLAN_RECORD_SIZE)

struct build {
	_Alignas(8) uint8_t bytes[BUILD_STRINGS_AT + BUILD_STRINGS];
	uint32_t strings;
};

static inline struct plan_header *build_header(struct build *build)
{
	return (struct plan_header *)(void *)build->bytes;
}

static inline void build_start(struct build *build)
{
	memset(build->bytes, 0, sizeof(build->bytes));
	memcpy(build_header(build)->magic, PLAN_MAGIC, 8);
	build_header(build)->version = PLAN_VERSION;
	build_header(build)->strings = BUILD_STRINGS_AT;
	for (uint32_t list = 0; list < LIST_COUNT; list++)
		build_header(build)->lists[list].first = PLAN_HEADER_SIZE + list * BUILD_RECORDS * PLAN_RECORD_SIZE;
	for (uint32_t list = 0; list < EXEC_LIST_COUNT; list++)
		build_header(build)->exec[list].first = PLAN_HEADER_SIZE;
	build->strings = 1; /* offset 0 is the empty string */
}

static inline uint32_t build_bytes(struct build *build, const void *bytes, size_t size)
{
	uint32_t offset = build->strings;

	if (offset + size > BUILD_STRINGS - 1)
		abort();
	memcpy(build->bytes + BUILD_STRINGS_AT + offset, bytes, size);
	build->strings += (uint32_t)size;
	return offset;
}

static inline plan_str_t build_str(struct build *build, const char *text)
{
	return build_bytes(build, text, strlen(text) + 1);
}

__attribute__((unused)) static struct plan_strv build_strv(struct build *build, const char *const *texts)
{
	struct plan_strv vector = { build->strings, 0 };

	for (; texts[vector.count] != NULL; vector.count++)
		(void)build_str(build, texts[vector.count]);
	return vector;
}

__attribute__((unused)) static struct plan_blob build_blob(struct build *build, const void *bytes, uint32_t length)
{
	build->strings = (build->strings + 7) & ~7u;
	return (struct plan_blob){ build_bytes(build, bytes, length), length };
}

__attribute__((unused)) static void build_op(struct build *build, enum plan_list list, const void *op, size_t size)
{
	struct plan_span *span = &build_header(build)->lists[list];

	if (span->count == BUILD_RECORDS)
		abort();
	memcpy(build->bytes + span->first + span->count++ * PLAN_RECORD_SIZE, op, size);
}

/* Fills in the sizes; the plan lies in the build. */
static inline struct plan build_finish(struct build *build)
{
	uint32_t size = BUILD_STRINGS_AT + ((build->strings + 8) & ~7u);

	build_header(build)->size = size;
	build_header(build)->strings_size = size - BUILD_STRINGS_AT;
	return (struct plan){ build->bytes, size };
}

#endif
