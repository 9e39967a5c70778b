/* The container's init, from the clone to execve(2): see container.h. */
#include "container.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "exitrecord.h"
#include "io.h"
#include "mounting.h"

void drop_host_fds(struct context *ctx)
{
	int status_fd = ctx->args->status_fd;
	int plan_fd = ctx->args->plan_fd;

	close_fd(&ctx->root_fd);
	close_fd(&ctx->state_fd);
	close_fd(&ctx->proc_fd);
	close_fd(&ctx->signal_fd);
	close_fd(&ctx->monitor_fd);
	close_fd(&ctx->init_pidfd);
	for (unsigned int i = 0; i < HIERARCHIES; i++)
		close_fd(&ctx->v1_fds[i]);
	close_fd(&ctx->rdt_mount_fd);
	close_fd(&ctx->rdt_fd);
	close_fd(&ctx->rdt_monitor_fd);
	close_fd(&status_fd);
	close_fd(&plan_fd);
}

_Noreturn void container_main(struct context *ctx)
{
	struct failure failure = { 0 };

	/* Mount points and device nodes get the modes the plan says; UMASK sets the program's. */
	(void)umask(0);
	/* Whoever finds it dead knows by this name that it never became the program. */
	(void)prctl(PR_SET_NAME, INIT_NAME);
	if (run_list(ctx, LIST_INIT, &failure) == 0)
		_exit(0); /* a config without process, or live mounts: nothing to run */
	live_undo(ctx);
	if (ctx->start_fd >= 0)
		(void)write_all(ctx->start_fd, &failure, sizeof(failure));
	else
		channel_send_record(ctx, &failure);
	_exit(1);
}
