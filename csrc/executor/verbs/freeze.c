/* pause and resume: all processes of the container's cgroup, those of exec and of sub-cgroups too. */
#include <errno.h>
#include <sys/file.h>

#include "../freezer.h"
#include "../statedir.h"
#include "../verbs.h"

static int change(struct context *ctx, bool freeze, struct failure *reterr)
{
	cleanup_freezer freezer = { .fd = -1 };

	if (freezer_open(ctx, &freezer, reterr) < 0)
		return -1;
	if (freezer.fd < 0)
		return FAIL_AS(reterr, PROBLEM_NO_CGROUP, "openat2");
	return freezer_set(&freezer, freeze, reterr);
}

int verb_pause(struct context *ctx, struct failure *reterr)
{
	uint32_t status;

	if (statedir_load(ctx, LOCK_EX, reterr) < 0 || statedir_status(ctx, &status, reterr) < 0)
		return -1;
	errno = 0;
	if (status == STATUS_PAUSED)
		return FAIL_AS(reterr, PROBLEM_PAUSED, "pause");
	if (status != STATUS_RUNNING && status != STATUS_CREATED)
		return FAIL_AS(reterr, PROBLEM_NOT_RUNNING, "pause");
	return change(ctx, true, reterr);
}

int verb_resume(struct context *ctx, struct failure *reterr)
{
	uint32_t status;

	if (statedir_load(ctx, LOCK_EX, reterr) < 0 || statedir_status(ctx, &status, reterr) < 0)
		return -1;
	errno = 0;
	if (status != STATUS_PAUSED)
		return FAIL_AS(reterr, PROBLEM_NOT_PAUSED, "resume");
	return change(ctx, false, reterr);
}
