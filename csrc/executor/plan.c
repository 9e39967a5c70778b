/*
 * plan_verify(): the executor trusts no plan. Everything that a handler will follow is checked here,
 * before the first system call on the plan's behalf; csrc/test/fuzz_plan.c feeds it.
 */
#include "plan.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct area {
	const uint8_t *strings;
	uint32_t size;
};

static int check_str(const struct area *area, uint32_t offset)
{
	/* The area's last byte is NUL (checked once), so any string that starts inside ends inside. */
	return offset < area->size ? 0 : -1;
}

static int check_strv(const struct area *area, struct plan_strv vector)
{
	uint32_t at = vector.offset;

	for (uint32_t i = 0; i < vector.count; i++) {
		if (at >= area->size)
			return -1;
		at += (uint32_t)strlen((const char *)area->strings + at) + 1;
	}
	return vector.count == 0 ? check_str(area, at) : 0;
}

static int check_blob(const struct area *area, struct plan_blob blob)
{
	if (blob.offset % 8 != 0 || blob.offset > area->size)
		return -1;
	return blob.length <= area->size - blob.offset ? 0 : -1;
}

static int check_field(const struct area *area, const uint8_t *record, struct field_desc field)
{
	struct plan_strv vector;
	struct plan_blob blob;
	uint32_t offset;

	switch (field.kind) {
	case FIELD_STR:
		memcpy(&offset, record + field.offset, sizeof(offset));
		return check_str(area, offset);
	case FIELD_STRV:
		memcpy(&vector, record + field.offset, sizeof(vector));
		return check_strv(area, vector);
	case FIELD_BLOB:
		memcpy(&blob, record + field.offset, sizeof(blob));
		return check_blob(area, blob);
	default:
		return 0;
	}
}

static int check_record(const struct area *area, const uint8_t *record, unsigned int list)
{
	struct op op;
	const struct op_desc *desc;

	memcpy(&op, record, sizeof(op));
	if (op.code >= OP_LIMIT)
		return -1;
	desc = &OP_DESC[op.code];
	if ((desc->lists & (1u << list)) == 0)
		return -1;
	if (check_str(area, op.origin) < 0)
		return -1;
	for (unsigned int i = 0; i < desc->fields; i++)
		if (check_field(area, record, desc->field[i]) < 0)
			return -1;
	return 0;
}

/* at: of the span in the header. */
static int check_list(const struct area *area, const uint8_t *bytes, const struct plan_header *header, size_t at,
	unsigned int list, uint32_t *ret_offset)
{
	const struct plan_span *span = (const void *)((const uint8_t *)header + at);

	*ret_offset = (uint32_t)at;
	if (span->first < PLAN_HEADER_SIZE || span->first % 8 != 0 || span->first > header->strings)
		return -1;
	if (span->count > (header->strings - span->first) / PLAN_RECORD_SIZE)
		return -1;
	for (uint32_t i = 0; i < span->count; i++) {
		*ret_offset = span->first + i * PLAN_RECORD_SIZE;
		if (check_record(area, bytes + *ret_offset, list) < 0)
			return -1;
	}
	return 0;
}

int plan_verify(const uint8_t *bytes, size_t size, uint32_t *ret_offset)
{
	struct plan_header header;
	struct area area;

	*ret_offset = 0;
	if (size < sizeof(header) || size > PLAN_MAX_BYTES)
		return -1;
	memcpy(&header, bytes, sizeof(header));
	if (memcmp(header.magic, PLAN_MAGIC, sizeof(header.magic)) != 0)
		return -1;
	*ret_offset = offsetof(struct plan_header, version);
	if (header.version != PLAN_VERSION || header.size != size)
		return -1;
	*ret_offset = offsetof(struct plan_header, strings);
	if (header.strings < sizeof(header) || header.strings % 8 != 0 || header.strings > size)
		return -1;
	if (header.strings_size == 0 || header.strings_size != size - header.strings)
		return -1;
	if (bytes[header.strings] != '\0' || bytes[size - 1] != '\0')
		return -1;
	area = (struct area){ bytes + header.strings, header.strings_size };
	*ret_offset = offsetof(struct plan_header, state_json);
	if (check_str(&area, header.state_json) < 0)
		return -1;
	for (unsigned int list = 0; list < LIST_COUNT; list++)
		if (check_list(&area, bytes, &header, offsetof(struct plan_header, lists[list]), list, ret_offset) < 0)
			return -1;
	for (unsigned int list = 0; list < EXEC_LIST_COUNT; list++)
		if (check_list(&area, bytes, &header, offsetof(struct plan_header, exec[list]), list, ret_offset) < 0)
			return -1;
	return 0;
}

int plan_load(int fd, struct plan *ret_plan, struct failure *reterr)
{
	struct stat st;
	const uint8_t *bytes;
	uint32_t offset;

	if (fstat(fd, &st) < 0)
		return FAIL(reterr, "fstat");
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > (off_t)PLAN_MAX_BYTES) {
		errno = EINVAL;
		return FAIL_AS(reterr, PROBLEM_BAD_PLAN, "fstat");
	}
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return FAIL(reterr, "mmap");
	if (plan_verify(bytes, (size_t)st.st_size, &offset) < 0) {
		errno = EINVAL;
		(void)FAIL_AS(reterr, PROBLEM_BAD_PLAN, "plan_verify");
		reterr->index = offset;
		return -1;
	}
	*ret_plan = (struct plan){ bytes, (size_t)st.st_size };
	return 0;
}

void plan_unload(struct plan *plan)
{
	if (plan->bytes != NULL)
		(void)munmap((void *)(uintptr_t)plan->bytes, plan->size);
	*plan = (struct plan){ 0 };
}

int plan_become_exec(struct plan *plan, struct failure *reterr)
{
	struct plan_header *header;
	uint8_t *bytes;

	errno = 0;
	if (plan_header(plan)->exec[LIST_INIT].count == 0)
		return FAIL_AS(reterr, PROBLEM_NO_TEMPLATE, "exec");
	bytes = mmap(NULL, plan->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED)
		return FAIL(reterr, "mmap");
	memcpy(bytes, plan->bytes, plan->size);
	(void)munmap((void *)(uintptr_t)plan->bytes, plan->size);
	header = (void *)bytes;
	memset(header->lists, 0, sizeof(header->lists));
	memcpy(header->lists, header->exec, sizeof(header->exec));
	plan->bytes = bytes;
	return 0;
}

void plan_pointers(const struct plan *plan, struct plan_strv vector, const char **pointers)
{
	const char *s = plan_str(plan, vector.offset);

	for (uint32_t i = 0; i < vector.count; i++) {
		pointers[i] = s;
		s = plan_next(s);
	}
	pointers[vector.count] = NULL;
}
