/* kill: one signal to init, by pidfd, so that it can never reach a process that took over the pid. */
#include <errno.h>

#include "../statedir.h"
#include "../sys.h"
#include "../verbs.h"

int verb_kill(struct context *ctx, struct failure *reterr)
{
	uint32_t status;

	if (statedir_load(ctx, 0, reterr) < 0 || statedir_status(ctx, &status, reterr) < 0)
		return -1;
	errno = 0;
	if (status == STATUS_STOPPED)
		return FAIL_AS(reterr, PROBLEM_NOT_RUNNING, "kill");
	if (sys_pidfd_send_signal(ctx->init_pidfd, ctx->args->signal) < 0)
		return FAIL_AS(reterr, errno == ESRCH ? PROBLEM_NOT_RUNNING : PROBLEM_SYSCALL, "pidfd_send_signal");
	return 0;
}
