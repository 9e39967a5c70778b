/* Checks of a cache entry: see entry.h. */
#include "entry.h"

#include <string.h>
#include <sys/stat.h>

#include "plan.h"

#define CHECKED_AT offsetof(struct entry_header, size)

/* FNV-1a over 32-bit words, as src/cache/entry.ts has it. */
uint32_t entry_checksum(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 0x811c9dc5u;
	uint32_t word;

	for (size_t at = CHECKED_AT; at < size; at += sizeof(word)) {
		memcpy(&word, bytes + at, sizeof(word));
		sum = (sum ^ word) * 0x01000193u;
	}
	return sum;
}

static bool in_pool(const struct entry_header *header, struct entry_span span)
{
	return span.at <= header->pool.count && span.size <= header->pool.count - span.at;
}

static bool is_table(const struct entry_header *header, struct entry_table table, size_t record)
{
	if (table.first < sizeof(*header) || table.first % 4 != 0 || table.first > header->pool.first)
		return false;
	return table.count <= (header->pool.first - table.first) / record;
}

static bool are_tables(const struct entry_header *header)
{
	return is_table(header, header->literals, sizeof(struct entry_span)) &&
	       is_table(header, header->slots, sizeof(struct entry_slot)) &&
	       is_table(header, header->pieces, sizeof(struct entry_piece)) &&
	       is_table(header, header->strings, sizeof(struct entry_table)) &&
	       is_table(header, header->patches, sizeof(struct entry_patch)) &&
	       is_table(header, header->apart, sizeof(uint32_t)) &&
	       is_table(header, header->files, sizeof(struct entry_file));
}

static bool check_header(const uint8_t *bytes, size_t size)
{
	const struct entry_header *header = (const void *)bytes;

	if (size < sizeof(*header) || size > ENTRY_MAX_BYTES || size % 8 != 0)
		return false;
	if (memcmp(header->magic, ENTRY_MAGIC, sizeof(header->magic)) != 0 || header->version != ENTRY_VERSION)
		return false;
	if (header->size != size || header->checksum != entry_checksum(bytes, size))
		return false;
	if (header->pool.first > size || header->pool.count != size - header->pool.first || !are_tables(header))
		return false;
	if (header->slots.count > ENTRY_MAX_SLOTS || header->literals.count != header->slots.count + 1)
		return false;
	return in_pool(header, header->plan) && header->plan.size >= PLAN_HEADER_SIZE;
}

static bool check_pattern(const struct entry *entry)
{
	const struct entry_header *header = entry->header;
	const struct entry_span *literals = ENTRY_TABLE(entry, literals);
	const struct entry_slot *slots = ENTRY_TABLE(entry, slots);

	for (uint32_t i = 0; i < header->literals.count; i++)
		if (!in_pool(header, literals[i]))
			return false;
	for (uint32_t i = 0; i < header->slots.count; i++)
		if (slots[i].kind >= CLASS_LIMIT)
			return false;
	return true;
}

static bool check_strings(const struct entry *entry)
{
	const struct entry_header *header = entry->header;
	const struct entry_piece *pieces = ENTRY_TABLE(entry, pieces);
	const struct entry_table *strings = ENTRY_TABLE(entry, strings);
	const uint32_t *apart = ENTRY_TABLE(entry, apart);

	for (uint32_t i = 0; i < header->pieces.count; i++) {
		bool literal = pieces[i].slot == PIECE_LITERAL;

		if (literal ? !in_pool(header, pieces[i].literal) : pieces[i].slot >= header->slots.count)
			return false;
	}
	for (uint32_t i = 0; i < header->strings.count; i++)
		if (strings[i].first > header->pieces.count ||
			strings[i].count > header->pieces.count - strings[i].first)
			return false;
	for (uint32_t i = 0; i < header->apart.count; i++)
		if (apart[i] >= header->strings.count)
			return false;
	return true;
}

/* Only records and the state's text are changed: what verifies the plan later reads the header as it was. */
static bool check_patches(const struct entry *entry)
{
	const struct entry_patch *patches = ENTRY_TABLE(entry, patches);
	struct plan_header plan;

	memcpy(&plan, entry_text(entry, entry->header->plan).at, sizeof(plan));
	if (plan.size != entry->header->plan.size || plan.strings < PLAN_HEADER_SIZE || plan.strings > plan.size)
		return false;
	for (uint32_t i = 0; i < entry->header->patches.count; i++) {
		uint32_t at = patches[i].at;
		uint32_t size = patches[i].count == PATCH_TEXT ? 4 : 8;

		if (patches[i].string >= entry->header->strings.count)
			return false;
		if (at == offsetof(struct plan_header, state_json) && patches[i].count == PATCH_TEXT)
			continue;
		if (at < PLAN_HEADER_SIZE || at > plan.strings - size)
			return false;
	}
	return true;
}

/* A copy: the table's numbers of 64 bits may lie at a multiple of 4. */
static struct entry_file file_at(const struct entry *entry, uint32_t index)
{
	struct entry_file file;

	memcpy(&file, entry->bytes + entry->header->files.first + index * sizeof(file), sizeof(file));
	return file;
}

static bool check_files(const struct entry *entry)
{
	for (uint32_t i = 0; i < entry->header->files.count; i++) {
		struct entry_span path = file_at(entry, i).path;

		if (!in_pool(entry->header, path) || path.size < 2)
			return false;
		if (entry_text(entry, path).at[path.size - 1] != '\0')
			return false;
	}
	return true;
}

int entry_open(const uint8_t *bytes, size_t size, struct entry *ret_entry)
{
	struct entry entry = { bytes, (const void *)bytes };

	if (!check_header(bytes, size) || !check_pattern(&entry) || !check_strings(&entry))
		return -1;
	if (!check_patches(&entry) || !check_files(&entry))
		return -1;
	*ret_entry = entry;
	return 0;
}

static uint64_t nanoseconds(struct timespec time)
{
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

bool entry_is_fresh(const struct entry *entry)
{
	struct stat st;

	for (uint32_t i = 0; i < entry->header->files.count; i++) {
		struct entry_file file = file_at(entry, i);

		if (stat(entry_text(entry, file.path).at, &st) < 0)
			return false;
		if (st.st_dev != file.dev || st.st_ino != file.ino || (uint64_t)st.st_size != file.size)
			return false;
		if (nanoseconds(st.st_mtim) != file.mtime_ns || nanoseconds(st.st_ctim) != file.ctime_ns)
			return false;
	}
	return true;
}
