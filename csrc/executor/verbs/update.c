/*
 * update: new limits for a container that exists. The list setup opens its cgroups and writes; when one write is
 * refused, the list teardown brings back what was there before.
 */
#include <errno.h>

#include "../cgroup.h"
#include "../procfs.h"
#include "../statedir.h"
#include "../verbs.h"

static void restore(struct context *ctx)
{
	uint32_t count = plan_header(&ctx->plan)->lists[LIST_TEARDOWN].count;

	for (uint32_t i = 0; i < count; i++)
		(void)run_op_as_warning(ctx, LIST_TEARDOWN, i);
}

/* The caller holds the lock of the state directory: it has read there what the plan is made from. */
int verb_update(struct context *ctx, struct failure *reterr)
{
	uint32_t status;

	if (statedir_load(ctx, 0, reterr) < 0 || statedir_status(ctx, &status, reterr) < 0)
		return -1;
	errno = 0;
	if (status == STATUS_STOPPED)
		return FAIL_AS(reterr, PROBLEM_NOT_RUNNING, "update");
	if (status == STATUS_CREATING)
		return FAIL_AS(reterr, PROBLEM_CREATING, "update");
	if (plan_load(ctx->args->plan_fd, &ctx->plan, reterr) < 0)
		return -1;
	if (run_list(ctx, LIST_SETUP, reterr) == 0)
		return 0;
	restore(ctx);
	return -1;
}
