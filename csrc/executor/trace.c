/* Timestamps of what the executor does: see trace.h. */
#include "trace.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "context.h"

static uint64_t now(void)
{
	struct timespec time = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int trace_open(struct context *ctx, struct failure *reterr)
{
	struct trace *trace;
	struct stat st;

	if (ctx->args->trace_fd < 0)
		return 0;
	if (fstat(ctx->args->trace_fd, &st) < 0)
		return FAIL(reterr, "fstat");
	if ((uint64_t)st.st_size < sizeof(*trace)) {
		errno = EINVAL;
		return FAIL_AS(reterr, PROBLEM_USAGE, "trace");
	}
	trace = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, ctx->args->trace_fd, 0);
	if (trace == MAP_FAILED)
		return FAIL(reterr, "mmap");
	if (trace->magic != TRACE_MAGIC ||
		trace->capacity > ((uint64_t)st.st_size - sizeof(*trace)) / sizeof(trace->records[0])) {
		errno = EINVAL;
		return FAIL_AS(reterr, PROBLEM_USAGE, "trace");
	}
	ctx->trace = trace;
	return 0;
}

struct trace_record *trace_begin(struct context *ctx, uint32_t list, uint32_t index, uint32_t code)
{
	struct trace_record *record;
	uint32_t at;

	if (ctx->trace == NULL)
		return NULL;
	at = __atomic_fetch_add(&ctx->trace->used, 1, __ATOMIC_RELAXED);
	if (at >= ctx->trace->capacity)
		return NULL;
	record = &ctx->trace->records[at];
	*record = (struct trace_record){ list, index, code, (uint32_t)ctx->role, now(), 0 };
	return record;
}

void trace_end(struct context *ctx, struct trace_record *record)
{
	if (record == NULL)
		return;
	if (record->list != TRACE_MARK && record->code == OP_SECCOMP)
		ctx->trace = NULL;
	else
		record->end = now();
}

void trace_mark(struct context *ctx, uint32_t mark)
{
	struct trace_record *record = trace_begin(ctx, TRACE_MARK, 0, mark);

	if (record != NULL)
		record->end = record->start;
}
