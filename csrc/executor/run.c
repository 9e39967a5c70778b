/* The loop over a list's ops, the slots, and warnings: the only code that knows all handlers. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "channel.h"
#include "context.h"
#include "io.h"

/* A handler takes its own record type; through the table all take a plain pointer. */
#define ADAPT(NAME, name)                                                                   \
	static int call_##name(struct context *ctx, const void *op, struct failure *reterr) \
	{                                                                                   \
		return op_##name(ctx, op, reterr);                                          \
	}
FOR_EACH_OP(ADAPT)
#undef ADAPT

#define ENTRY(NAME, name) [OP_##NAME] = call_##name,
static const op_handler HANDLERS[OP_LIMIT] = { FOR_EACH_OP(ENTRY) };
#undef ENTRY

void context_init(struct context *ctx, const struct args *args)
{
	memset(ctx, 0, sizeof(*ctx));
	ctx->args = args;
	ctx->role = ROLE_HOST;
	ctx->root_fd = ctx->state_fd = ctx->fifo_fd = ctx->cgroup_fd = ctx->console_fd = -1;
	ctx->sync_fd = ctx->peer_fd = ctx->proc_fd = ctx->rootfs_fd = ctx->mask_fd = -1;
	ctx->target_pidfd = ctx->init_pidfd = ctx->start_fd = ctx->signal_fd = ctx->helper_pidfd = -1;
	ctx->monitor_fd = -1;
	ctx->rdt_mount_fd = ctx->rdt_fd = ctx->rdt_monitor_fd = ctx->network_fd = -1;
	ctx->self_fds = -1;
	for (unsigned int i = 0; i < LIVE_MAX; i++)
		ctx->live[i] = -1;
	for (unsigned int i = 0; i < CONTEXT_SLOTS; i++)
		ctx->slots[i] = -1;
	for (unsigned int i = 0; i < HIERARCHIES; i++)
		ctx->v1_fds[i] = -1;
}

int run_list_op(struct context *ctx, enum plan_list list, uint32_t index, struct failure *reterr)
{
	const struct op *op = plan_op(&ctx->plan, list, index);
	struct trace_record *record;
	int result;

	ctx->list = list;
	ctx->index = index;
	reterr->magic = 0;
	record = ctx->trace == NULL ? NULL : trace_begin(ctx, list, index, op->code);
	result = HANDLERS[op->code](ctx, op, reterr);
	trace_end(ctx, record);
	/* A record that came over the socket already says which op of the other side failed. */
	if (result < 0 && reterr->opcode == 0) {
		reterr->list = list;
		reterr->index = index;
		reterr->opcode = op->code;
	}
	return result;
}

int run_list(struct context *ctx, enum plan_list list, struct failure *reterr)
{
	uint32_t count = plan_header(&ctx->plan)->lists[list].count;
	int result = 0;

	for (uint32_t i = 0; i < count && result == 0; i++)
		result = run_list_op(ctx, list, i, reterr);
	return result < 0 ? -1 : 0;
}

int run_op_as_warning(struct context *ctx, enum plan_list list, uint32_t index)
{
	struct failure failure = { 0 };

	if (run_list_op(ctx, list, index, &failure) >= 0)
		return 0;
	report_warning(ctx, &failure);
	return -1;
}

void report_warning(struct context *ctx, const struct failure *warning)
{
	struct failure record = *warning;

	if (record.kind == KIND_VERDICT)
		record.kind = KIND_WARNING;
	ctx->warned = ctx->warned || record.kind == KIND_WARNING;
	if (record.opcode == 0 && ctx->plan.bytes != NULL) {
		record.list = ctx->list;
		record.index = ctx->index;
		record.opcode = plan_op(&ctx->plan, ctx->list, ctx->index)->code;
	}
	if (ctx->role != ROLE_HOST)
		channel_send_record(ctx, &record);
	else if (ctx->args->status_fd >= 0)
		(void)write_all(ctx->args->status_fd, &record, sizeof(record));
}

int *find_slot(struct context *ctx, uint32_t slot, struct failure *reterr)
{
	if (slot < CONTEXT_SLOTS)
		return &ctx->slots[slot];
	errno = ERANGE;
	(void)FAIL_AS(reterr, PROBLEM_BAD_PLAN, "slot");
	return NULL;
}

static const char *const STATUS_NAMES[] = {
	[STATUS_CREATING] = "creating",
	[STATUS_CREATED] = "created",
	[STATUS_RUNNING] = "running",
	[STATUS_PAUSED] = "paused",
	[STATUS_STOPPED] = "stopped",
};

const char *status_name(uint32_t status)
{
	return status <= STATUS_STOPPED ? STATUS_NAMES[status] : "";
}

/*
 * RFC 3339 with nanoseconds, UTC, as the OCI state of other runtimes has it. By hand: strftime(3) would bring the
 * C library's time zones, and with them a sixth of this program. Years begin in March, so that a leap day is the last.
 */
void format_time(uint64_t ns, char *buffer, size_t size)
{
	unsigned int second = (unsigned int)(ns / 1000000000u % 86400);
	unsigned int days = (unsigned int)(ns / 1000000000u / 86400) + 719468; /* since 1 March of the year 0 */
	unsigned int day = days % 146097;				       /* of the Gregorian cycle of 400 years */
	unsigned int year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	unsigned int month;

	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	year += days / 146097 * 400 + (month >= 10 ? 1 : 0);
	(void)snprintf(buffer, size, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", year, month < 10 ? month + 3 : month - 9,
		day + 1, second / 3600, second / 60 % 60, second % 60, (unsigned int)(ns % 1000000000u));
}

static const char *slot_value(const struct context *ctx, char slot, uint32_t status, char *buffer, size_t size)
{
	pid_t pid = ctx->role == ROLE_INIT ? getpid() : ctx->init_pid;

	switch (slot) {
	case SLOT_ID:
		return ctx->args->id;
	case SLOT_STATUS:
		return status_name(status);
	case SLOT_PID:
		(void)snprintf(buffer, size, "%d", status == STATUS_STOPPED ? 0 : pid);
		return buffer;
	case SLOT_INIT:
		(void)snprintf(buffer, size, "%d", ctx->target_pid > 0 ? ctx->target_pid : pid);
		return buffer;
	case SLOT_CREATED:
		format_time(ctx->created_ns, buffer, size);
		return buffer;
	default:
		return "";
	}
}

/* The first occurrence stands for the first mount with LIVE, and so on; 0 as long as it is not attached. */
static const char *live_id(const struct context *ctx, uint32_t mount, char *buffer, size_t size)
{
	(void)snprintf(buffer, size, "%u", mount < ctx->live_count ? ctx->live_ids[mount] : 0);
	return buffer;
}

long expand_slots(const struct context *ctx, const char *text, uint32_t status, char *buffer, size_t size)
{
	uint32_t mounts = 0;
	size_t length = 0;
	char value[64];

	for (const char *at = text; *at != '\0'; at++) {
		const char *piece = at;
		size_t add = 1;

		if (*at == '\001' && at[1] != '\0') {
			piece = *++at == SLOT_MOUNT ? live_id(ctx, mounts++, value, sizeof(value))
						    : slot_value(ctx, *at, status, value, sizeof(value));
			add = strlen(piece);
		}
		if (add >= size - length) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(buffer + length, piece, add);
		length += add;
	}
	buffer[length] = '\0';
	return (long)length;
}

const char *map_expanded(const struct context *ctx, const char *text, uint32_t status, struct failure *reterr)
{
	size_t room = strlen(text) * 2 + PATH_MAX;
	char *buffer = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (buffer == MAP_FAILED) {
		(void)FAIL(reterr, "mmap");
		return NULL;
	}
	if (expand_slots(ctx, text, status, buffer, room) < 0) {
		(void)FAIL_AS(reterr, PROBLEM_BAD_PLAN, "slots");
		return NULL;
	}
	return buffer;
}
