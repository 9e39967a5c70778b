/*
 * An entry of the plan cache: a pattern of literals with slots between them, and the plan for a question that matches
 * it, with the texts of the plan that the slots go into. src/cache/entry.ts writes it. All tables hold numbers of 32
 * bits; texts are spans of the pool, the last part of the file.
 *
 * entry_open() trusts nothing: every number that is an offset or an index is checked there, once.
 */
#ifndef TSRUN_ENTRY_H
#define TSRUN_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENTRY_MAGIC	"TSRCACH1"
#define ENTRY_VERSION	3u
#define ENTRY_MAX_BYTES (4u * 1024 * 1024)
#define ENTRY_MAX_SLOTS 1024u
#define ENTRY_TERMINAL	1u /* of flags: the config asks for a terminal */

struct entry_span {
	uint32_t at;
	uint32_t size;
};

struct entry_table {
	uint32_t first; /* byte offset of the first record */
	uint32_t count;
};

struct entry_header {
	char magic[8];
	uint32_t version;
	uint32_t checksum; /* of all bytes from size on */
	uint64_t hits;	   /* counted by the launcher */
	uint32_t size;
	uint32_t flags;
	struct entry_table literals; /* entry_span: one more than slots */
	struct entry_table slots;
	struct entry_table pieces;
	struct entry_table strings; /* entry_table: first piece, count */
	struct entry_table patches;
	struct entry_table apart; /* uint32_t: strings; none may be the first one or lie below it */
	struct entry_table files;
	struct entry_table pool; /* offset, size */
	struct entry_span plan;
	struct entry_span label; /* for people */
	uint8_t zero[16];
};

_Static_assert(sizeof(struct entry_header) == 128, "src/cache/entry.ts");

enum entry_class {
	CLASS_TEXT, /* src/cache/slots.ts */
	CLASS_PATH,
	CLASS_WORD,
	CLASS_LIMIT,
};

struct entry_slot {
	uint32_t kind;
	uint32_t min;
	uint32_t max;
};

#define PIECE_LITERAL 0xffffffffu

struct entry_piece {
	uint32_t slot; /* its number, or PIECE_LITERAL */
	struct entry_span literal;
};

#define PATCH_TEXT 0xffffffffu

struct entry_patch {
	uint32_t at;	/* in the plan: where the offset of the text goes, and behind it the count of a vector */
	uint32_t count; /* texts of the vector, or PATCH_TEXT */
	uint32_t string;
};

/* A file whose replacement makes the plan a stale one. */
struct entry_file {
	struct entry_span path; /* NUL included */
	uint64_t dev;
	uint64_t ino;
	uint64_t size;
	uint64_t mtime_ns;
	uint64_t ctime_ns;
};

_Static_assert(sizeof(struct entry_file) == 48, "src/cache/entry.ts");

struct entry {
	const uint8_t *bytes; /* at an address that is a multiple of 8 */
	const struct entry_header *header;
};

/* A stretch of bytes of somebody else's. */
struct text {
	const char *at;
	size_t size;
};

/* size: a multiple of 8. Against accidents; what entry_open() checks is against the rest. */
uint32_t entry_checksum(const uint8_t *bytes, size_t size);

/* 0, or -1 for bytes that are no sound entry. They must stay as they are while it is used. */
int entry_open(const uint8_t *bytes, size_t size, struct entry *ret_entry);

/* Are the files that the plan was compiled by still the same? */
bool entry_is_fresh(const struct entry *entry);

/*
 * Does the question match? ret_values: room for ENTRY_MAX_SLOTS, filled with the slots' stretches of the question. Also
 * false when values contradict each other (apart).
 */
bool entry_match(const struct entry *entry, struct text question, struct text *ret_values);

/* How many bytes entry_fill() needs; 0: more than a plan may have. */
size_t entry_plan_size(const struct entry *entry, const struct text *values);

/* The plan with the values, still to be verified like any other. */
void entry_fill(const struct entry *entry, const struct text *values, uint8_t *plan, size_t size);

#define ENTRY_TABLE(entry, name) ((const void *)((entry)->bytes + (entry)->header->name.first))

static inline struct text entry_text(const struct entry *entry, struct entry_span span)
{
	return (struct text){ (const char *)entry->bytes + entry->header->pool.first + span.at, span.size };
}

#endif
