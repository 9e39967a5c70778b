/* Builds small cache entries for the tests, as src/cache/entry.ts does. */
#ifndef TSRUN_BUILD_ENTRY_H
#define TSRUN_BUILD_ENTRY_H

#include <string.h>

#include "build_plan.h"
#include "entry.h"

#define ENTRY_TABLES_SIZE 1024u

struct build_entry {
	_Alignas(8) uint8_t bytes[sizeof(struct entry_header) + ENTRY_TABLES_SIZE + sizeof(struct build) + 1024];
	uint32_t pool;
};

static inline struct entry_header *entry_header_of(struct build_entry *build)
{
	return (struct entry_header *)(void *)build->bytes;
}

static inline struct entry_span entry_add(struct build_entry *build, const void *bytes, size_t size)
{
	struct entry_span span = { build->pool, (uint32_t)size };

	if (entry_header_of(build)->pool.first + span.at + size > sizeof(build->bytes))
		abort();
	memcpy(build->bytes + entry_header_of(build)->pool.first + span.at, bytes, size);
	build->pool += span.size;
	return span;
}

static inline struct entry_span entry_add_text(struct build_entry *build, const char *text)
{
	return entry_add(build, text, strlen(text));
}

static inline void entry_seal(struct build_entry *build)
{
	entry_header_of(build)->checksum = entry_checksum(build->bytes, entry_header_of(build)->size);
}

/*
 * For questions "bundle PATH\n{"hostname":"TEXT"}\n" whose PATH does not lie below "/other". The plan gets PATH and
 * "name=TEXT" as a hook's arguments, and TEXT as the state's text.
 */
static inline void entry_build(struct build_entry *build)
{
	static struct build plan_build;
	struct op_run_hook hook = { .code = OP_RUN_HOOK };
	struct entry_header header = { .magic = ENTRY_MAGIC, .version = ENTRY_VERSION };
	const uint32_t first = sizeof(header);
	struct plan plan;

	build_start(&plan_build);
	hook.path = build_str(&plan_build, "/bin/true");
	build_op(&plan_build, LIST_SETTLE, &hook, sizeof(hook));
	plan = build_finish(&plan_build);

	memset(build, 0, sizeof(*build));
	header.pool.first = first + ENTRY_TABLES_SIZE;
	memcpy(build->bytes, &header, sizeof(header));

	struct entry_span literals[] = {
		entry_add_text(build, "bundle "),
		entry_add_text(build, "\n{\"hostname\":\""),
		entry_add_text(build, "\"}\n"),
	};
	struct entry_slot slots[] = { { CLASS_PATH, 2, 64 }, { CLASS_TEXT, 1, 8 } };
	struct entry_piece pieces[] = {
		{ 0, { 0, 0 } },
		{ PIECE_LITERAL, entry_add(build, "\0name=", 6) },
		{ 1, { 0, 0 } },
		{ PIECE_LITERAL, entry_add(build, "", 1) },
		{ PIECE_LITERAL, entry_add_text(build, "/other") },
	};
	struct entry_table strings[] = { { 0, 4 }, { 4, 1 }, { 0, 1 }, { 2, 1 } };
	uint32_t record = plan_header(&plan)->lists[LIST_SETTLE].first;
	struct entry_patch patches[] = {
		{ record + offsetof(struct op_run_hook, args), 2, 0 },
		{ offsetof(struct plan_header, state_json), PATCH_TEXT, 3 },
	};
	uint32_t apart[] = { 1, 2 };
	uint32_t at = first;

#define PUT(table)                                                                   \
	header.table = (struct entry_table){ at, sizeof(table) / sizeof(table[0]) }; \
	memcpy(build->bytes + at, table, sizeof(table));                             \
	at += (uint32_t)sizeof(table)
	PUT(literals);
	PUT(slots);
	PUT(pieces);
	PUT(strings);
	PUT(patches);
	PUT(apart);
#undef PUT
	header.files = (struct entry_table){ at, 0 };
	header.plan = entry_add(build, plan.bytes, plan.size);
	header.pool.count = (build->pool + 7) & ~7u;
	header.size = header.pool.first + header.pool.count;
	memcpy(build->bytes, &header, sizeof(header));
	entry_seal(build);
}

#endif
