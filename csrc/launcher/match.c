/* A question against the pattern of a cache entry, and the plan with what stood in its slots: see entry.h. */
#include <limits.h>
#include <string.h>
#include <sys/types.h>

#include "entry.h"
#include "plan.h"

/* Printable ASCII that JSON writes as it is, so that the bytes in the config are the bytes of the value. */
static bool is_text(char c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_name(char c)
{
	return is_word(c) || (c != '\0' && strchr(".@+,=-", c) != NULL);
}

static size_t text_length(struct text from)
{
	size_t length = 0;

	while (length < from.size && is_text(from.at[length]))
		length++;
	return length;
}

/* As far as it is absolute and normalised: no empty name, no ".", no "..", no slash at the end. */
static size_t path_length(struct text from)
{
	size_t length = 0;

	while (length < from.size && from.at[length] == '/') {
		const char *name = from.at + length + 1;
		size_t size = 0;

		while (length + 1 + size < from.size && is_name(name[size]))
			size++;
		if (size == 0 || size > NAME_MAX || (size <= 2 && memcmp(name, "..", size) == 0))
			break;
		length += 1 + size;
	}
	return length;
}

static size_t word_length(struct text from)
{
	size_t length = 0;

	while (length < from.size && is_word(from.at[length]))
		length++;
	return length;
}

static size_t value_length(const struct entry_slot *slot, struct text from)
{
	if (slot->kind == CLASS_TEXT)
		return text_length(from);
	return slot->kind == CLASS_PATH ? path_length(from) : word_length(from);
}

static void skip(struct text *text, size_t size)
{
	text->at += size;
	text->size -= size;
}

/* A value goes as far as its class does: every literal begins with a byte that is in none, so that is the only way. */
static bool match_all(const struct entry *entry, struct text rest, struct text *ret_values)
{
	const struct entry_span *literals = ENTRY_TABLE(entry, literals);
	const struct entry_slot *slots = ENTRY_TABLE(entry, slots);
	uint32_t count = entry->header->slots.count;

	for (uint32_t i = 0;; i++) {
		struct text literal = entry_text(entry, literals[i]);
		size_t length;

		if (literal.size > rest.size || memcmp(literal.at, rest.at, literal.size) != 0)
			return false;
		skip(&rest, literal.size);
		if (i == count)
			return rest.size == 0;
		length = value_length(&slots[i], rest);
		if (length < slots[i].min || length > slots[i].max)
			return false;
		ret_values[i] = (struct text){ rest.at, length };
		skip(&rest, length);
	}
}

static struct text piece_text(const struct entry *entry, const struct text *values, const struct entry_piece *piece)
{
	return piece->slot == PIECE_LITERAL ? entry_text(entry, piece->literal) : values[piece->slot];
}

static size_t string_size(const struct entry *entry, const struct text *values, uint32_t index)
{
	const struct entry_table *string = (const struct entry_table *)ENTRY_TABLE(entry, strings) + index;
	const struct entry_piece *piece = (const struct entry_piece *)ENTRY_TABLE(entry, pieces) + string->first;
	size_t size = 0;

	for (uint32_t i = 0; i < string->count; i++)
		size += piece_text(entry, values, &piece[i]).size;
	return size;
}

/* Writes it to at, which has room; the end. */
static char *put_string(const struct entry *entry, const struct text *values, uint32_t index, char *at)
{
	const struct entry_table *string = (const struct entry_table *)ENTRY_TABLE(entry, strings) + index;
	const struct entry_piece *piece = (const struct entry_piece *)ENTRY_TABLE(entry, pieces) + string->first;

	for (uint32_t i = 0; i < string->count; i++) {
		struct text text = piece_text(entry, values, &piece[i]);

		memcpy(at, text.at, text.size);
		at += text.size;
	}
	return at;
}

/* -1: longer than a path can be. */
static ssize_t get_path(const struct entry *entry, const struct text *values, uint32_t index, char *path)
{
	size_t size = string_size(entry, values, index);

	if (size > PATH_MAX)
		return -1;
	(void)put_string(entry, values, index, path);
	return (ssize_t)size;
}

/* A bind source below the root file system is compiled differently: src/compile/mount-bind.ts. */
static bool are_apart(const struct entry *entry, const struct text *values)
{
	const uint32_t *apart = ENTRY_TABLE(entry, apart);
	char root[PATH_MAX];
	char path[PATH_MAX];
	ssize_t root_size = entry->header->apart.count == 0 ? 0 : get_path(entry, values, apart[0], root);

	if (root_size < 0)
		return false;
	for (uint32_t i = 1; i < entry->header->apart.count; i++) {
		ssize_t size = get_path(entry, values, apart[i], path);

		if (size < 0)
			return false;
		if (size < root_size || memcmp(root, path, (size_t)root_size) != 0)
			continue;
		if (size == root_size || path[root_size] == '/')
			return false;
	}
	return true;
}

bool entry_match(const struct entry *entry, struct text question, struct text *ret_values)
{
	return match_all(entry, question, ret_values) && are_apart(entry, ret_values);
}

/* A text ends with NUL; in a vector each of its texts does, and that is in the pieces. */
static size_t patch_size(const struct entry *entry, const struct text *values, const struct entry_patch *patch)
{
	return string_size(entry, values, patch->string) + (patch->count == PATCH_TEXT ? 1 : 0);
}

size_t entry_plan_size(const struct entry *entry, const struct text *values)
{
	const struct entry_patch *patches = ENTRY_TABLE(entry, patches);
	size_t size = entry->header->plan.size;

	for (uint32_t i = 0; i < entry->header->patches.count && size <= PLAN_MAX_BYTES; i++)
		size += patch_size(entry, values, &patches[i]);
	return size <= PLAN_MAX_BYTES ? size : 0;
}

void entry_fill(const struct entry *entry, const struct text *values, uint8_t *plan, size_t size)
{
	const struct entry_patch *patches = ENTRY_TABLE(entry, patches);
	struct text base = entry_text(entry, entry->header->plan);
	struct plan_header header;
	char *end = (char *)plan + base.size;

	memcpy(plan, base.at, base.size);
	for (uint32_t i = 0; i < entry->header->patches.count; i++) {
		const struct entry_patch *patch = &patches[i];
		uint32_t offset;

		memcpy(&header, plan, sizeof(header));
		offset = (uint32_t)((uint8_t *)end - plan) - header.strings;
		memcpy(plan + patch->at, &offset, sizeof(offset));
		if (patch->count != PATCH_TEXT)
			memcpy(plan + patch->at + sizeof(offset), &patch->count, sizeof(patch->count));
		end = put_string(entry, values, patch->string, end);
		if (patch->count == PATCH_TEXT)
			*end++ = '\0';
	}
	memcpy(&header, plan, sizeof(header));
	header.size = (uint32_t)size;
	header.strings_size = (uint32_t)size - header.strings;
	memcpy(plan, &header, sizeof(header));
}
