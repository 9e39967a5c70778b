/* The failure record: see failure.h. */
#include "failure.h"

#include <errno.h>
#include <string.h>

int failure_set(struct failure *reterr, uint32_t problem, const char *call, int line)
{
	size_t length = strnlen(call, sizeof(reterr->syscall) - 1);

	reterr->magic = FAILURE_MAGIC;
	reterr->kind = KIND_VERDICT;
	reterr->problem = problem;
	reterr->error = errno;
	reterr->line = (uint32_t)line;
	reterr->elapsed = 0;
	reterr->detail_length = 0;
	memset(reterr->syscall, 0, sizeof(reterr->syscall));
	memcpy(reterr->syscall, call, length);
	return -1;
}

void failure_detail(struct failure *reterr, const void *bytes, size_t length)
{
	size_t room = FAILURE_DETAIL - reterr->detail_length;

	if (length > room)
		length = room;
	memcpy(reterr->detail + reterr->detail_length, bytes, length);
	reterr->detail_length += (uint32_t)length;
}
