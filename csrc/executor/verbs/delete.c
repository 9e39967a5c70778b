/*
 * delete: the teardown list. Idempotent: what is gone already is success, so that a delete that was
 * killed half way is finished by the next.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>

#include "../cleanup.h"
#include "../freezer.h"
#include "../procfs.h"
#include "../statedir.h"
#include "../verbs.h"

#define KILL_DEADLINE_MS 10000

static int kill_init(struct context *ctx, struct failure *reterr)
{
	struct pollfd ended = { .fd = ctx->init_pidfd, .events = POLLIN };
	int ready;

	if (freezer_kill_init(ctx) < 0 && errno != ESRCH)
		return FAIL(reterr, "pidfd_send_signal");
	do
		ready = poll(&ended, 1, KILL_DEADLINE_MS);
	while (ready < 0 && errno == EINTR);
	if (ready < 0)
		return FAIL(reterr, "poll");
	return ready == 0 ? FAIL_AS(reterr, PROBLEM_STILL_RUNNING, "poll") : 0;
}

static int tear_down(struct context *ctx, struct failure *reterr)
{
	uint32_t count = plan_header(&ctx->plan)->lists[LIST_TEARDOWN].count;
	/* A create that was killed before it spawned anything may never have checked that the cgroup is its own; where
	 * the record is damaged each op looks for that. */
	bool kill = ctx->init_pid > 0 || ctx->args->damaged;

	ctx->init_pid = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct op *op = plan_op(&ctx->plan, LIST_TEARDOWN, i);

		if (!kill && (op->code == OP_CGROUP_KILL || op->code == OP_CGROUP_KILL_V1 ||
				     op->code == OP_SYSTEMD_STOP_UNIT))
			continue;
		/* runtime.md: a poststop hook that fails is logged, and the remaining ones still run. */
		if (op->code == OP_RUN_HOOK)
			(void)run_op_as_warning(ctx, LIST_TEARDOWN, i);
		else if (run_list_op(ctx, LIST_TEARDOWN, i, reterr) < 0)
			return -1;
	}
	return 0;
}

/*
 * Without the plan nobody knows the cgroup and the hooks, but the pid may still be on record; without the pid the plan
 * may. The caller comes here only after it failed to compile the plan anew (src/runtime/delete.ts).
 */
static int remove_damaged(struct context *ctx, struct failure *reterr)
{
	const struct op_state_remove remove = { .code = OP_STATE_REMOVE };
	struct failure ignored = { 0 };

	*reterr = (struct failure){ 0 };
	if (procfs_open(&ctx->proc_fd, reterr) < 0)
		return -1;
	if (statedir_load_runtime(ctx, &ignored) == 0 && statedir_init_is_alive(ctx) && kill_init(ctx, reterr) < 0)
		return -1;
	return ctx->plan.bytes != NULL ? tear_down(ctx, reterr) : op_state_remove(ctx, &remove, reterr);
}

int verb_delete(struct context *ctx, struct failure *reterr)
{
	uint32_t status;

	if (statedir_open(ctx, reterr) < 0 || statedir_lock(ctx, LOCK_EX, reterr) < 0)
		return ctx->args->force && reterr->problem == PROBLEM_NOT_FOUND ? 0 : -1;
	if (statedir_load(ctx, 0, reterr) < 0) {
		bool damaged = reterr->problem == PROBLEM_BAD_PLAN || reterr->problem == PROBLEM_BAD_RECORD;

		return damaged && ctx->args->damaged ? remove_damaged(ctx, reterr) : -1;
	}
	if (statedir_status(ctx, &status, reterr) < 0)
		return -1;
	/* runtime.md, delete: what is not stopped is left alone, and that is an error; a created container too. */
	if (status != STATUS_STOPPED && !ctx->args->force) {
		errno = 0;
		(void)FAIL_AS(reterr, PROBLEM_STILL_RUNNING, "delete");
		failure_detail(reterr, status_name(status), strlen(status_name(status)));
		return -1;
	}
	trace_mark(ctx, TRACE_LOADED);
	if (status != STATUS_STOPPED && kill_init(ctx, reterr) < 0)
		return -1;
	trace_mark(ctx, TRACE_KILLED);
	return tear_down(ctx, reterr);
}
