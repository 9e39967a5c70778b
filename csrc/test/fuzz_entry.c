/*
 * Feeds entry_open() and, with what it lets through, everything that follows: a question is matched, a plan filled and
 * verified. The sanitizers say when that leaves the entry or the plan.
 */
#include "build_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char QUESTION[] = "bundle /a/b\n{\"hostname\":\"first\"}\n";

static void use(const struct entry *entry)
{
	static struct text values[ENTRY_MAX_SLOTS];
	uint8_t *plan;
	uint32_t offset;
	size_t size;

	(void)entry_is_fresh(entry);
	if (!entry_match(entry, (struct text){ QUESTION, sizeof(QUESTION) - 1 }, values))
		return;
	size = entry_plan_size(entry, values);
	if (size == 0)
		return;
	plan = malloc(size);
	if (plan == NULL)
		abort();
	entry_fill(entry, values, plan, size);
	(void)plan_verify(plan, size, &offset);
	free(plan);
}

static void try(const uint8_t *data, size_t size)
{
	struct entry entry;
	uint8_t *bytes = malloc(size > 0 ? size : 1);

	if (bytes == NULL)
		abort();
	if (size > 0)
		memcpy(bytes, data, size);
	if (entry_open(bytes, size, &entry) == 0)
		use(&entry);
	free(bytes);
}

/* The input as changes to a sound entry, {u16 offset, u32 value} each, under a checksum that fits. */
static void try_changes(const uint8_t *data, size_t size)
{
	static struct build_entry build;
	uint16_t at;
	uint32_t end;

	entry_build(&build);
	end = entry_header_of(&build)->size;
	for (size_t i = 0; i + 6 <= size && i < 6 * 4; i += 6) {
		memcpy(&at, data + i, sizeof(at));
		/* Mostly in the header and the tables. */
		memcpy(build.bytes + at % (at % 8 == 7 ? end - 4 : 512), data + i + 2, 1 + (size_t)(data[i + 2] & 3));
	}
	entry_header_of(&build)->size = end;
	entry_seal(&build);
	try(build.bytes, end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try(data, size);
	try_changes(data, size);
	return 0;
}
