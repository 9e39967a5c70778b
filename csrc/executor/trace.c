/* Timestamps of what the executor does: see trace.h. */
#include "trace.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "context.h"

/* How far CLOCK_MONOTONIC of this process' time namespace is ahead of that of the executor; modulo 2^64. */
static uint64_t skew;
/* When the op began, on the clock that is the same in all time namespaces: time_namespaces(7). */
static uint64_t real_start;

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec time = { 0 };

	(void)clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t now(void)
{
	return clock_ns(CLOCK_MONOTONIC) - skew;
}

static bool may_change_clock(const struct trace_record *record)
{
	return record->list != TRACE_MARK &&
	       (record->code == OP_JOIN_NAMESPACE || record->code == OP_JOIN_INIT || record->code == OP_ENTER_TIME);
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
	if (may_change_clock(record))
		real_start = clock_ns(CLOCK_REALTIME);
	return record;
}

void trace_end(struct context *ctx, struct trace_record *record)
{
	if (record == NULL)
		return;
	if (may_change_clock(record))
		skew += now() - record->start - (clock_ns(CLOCK_REALTIME) - real_start);
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
