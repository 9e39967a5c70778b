/*
 * The plan as the executor sees it: bytes mapped read-only, verified once, then read in place.
 * Layout: schemas/plan.json and the "Plan bytes" section of ARCHITECTURE.md.
 */
#ifndef TSRUN_PLAN_H
#define TSRUN_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "plan.gen.h"

struct plan_span {
	uint32_t first; /* byte offset of the first record */
	uint32_t count;
};

#define EXEC_LIST_COUNT (LIST_INIT + 1)

struct plan_header {
	char magic[8];
	uint32_t version;
	uint32_t size;
	uint32_t strings; /* offset of the string area */
	uint32_t strings_size;
	plan_str_t state_json;
	uint32_t reserved;
	struct plan_span lists[LIST_COUNT];
	struct plan_span exec[EXEC_LIST_COUNT]; /* setup to init of a plain exec; empty where there is none */
	uint8_t zero[16];
};

_Static_assert(sizeof(struct plan_header) == PLAN_HEADER_SIZE, "plan header");

/* What every record begins with. */
struct op {
	uint32_t code;
	plan_str_t origin;
};

struct plan {
	const uint8_t *bytes;
	size_t size;
};

/*
 * Checks every count, offset, terminator and opcode, so that the accessors below need not.
 * 0, or -1 with *ret_offset the byte the plan is wrong at.
 */
int plan_verify(const uint8_t *bytes, size_t size, uint32_t *ret_offset);

/* Maps and verifies the plan that fd holds; fd stays the caller's. */
int plan_load(int fd, struct plan *ret_plan, struct failure *reterr);
void plan_unload(struct plan *plan);

/*
 * Puts the lists of a plain exec in the place of those of create: in memory of our own, so that no process in a
 * container maps a file of the host's. Problem NO_TEMPLATE: it has none.
 */
int plan_become_exec(struct plan *plan, struct failure *reterr);

static inline const struct plan_header *plan_header(const struct plan *plan)
{
	return (const struct plan_header *)(const void *)plan->bytes;
}

static inline const struct op *plan_op(const struct plan *plan, enum plan_list list, uint32_t index)
{
	const struct plan_span *span = &plan_header(plan)->lists[list];

	return (const struct op *)(const void *)(plan->bytes + span->first + (size_t)index * PLAN_RECORD_SIZE);
}

static inline const char *plan_str(const struct plan *plan, plan_str_t offset)
{
	return (const char *)plan->bytes + plan_header(plan)->strings + offset;
}

static inline const void *plan_blob(const struct plan *plan, struct plan_blob blob)
{
	return plan->bytes + plan_header(plan)->strings + blob.offset;
}

/* The string after s in a vector. */
static inline const char *plan_next(const char *s)
{
	while (*s != '\0')
		s++;
	return s + 1;
}

/*
 * Fills pointers[0..count] from a vector, NULL at the end: an argv or envp.
 * pointers has room for vector.count + 1 entries.
 */
void plan_pointers(const struct plan *plan, struct plan_strv vector, const char **pointers);

#endif
