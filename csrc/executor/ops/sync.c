/* NOTIFY, AWAIT, WAIT_START: where the two sides meet. The drawing is in context.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "../channel.h"
#include "../cleanup.h"
#include "../context.h"
#include "../io.h"

int op_notify(struct context *ctx, const struct op_notify *op, struct failure *reterr)
{
	return channel_send_value(ctx, MESSAGE_PHASE, op->phase, reterr);
}

int op_await(struct context *ctx, const struct op_await *op, struct failure *reterr)
{
	return channel_expect(ctx, MESSAGE_PHASE, op->phase, NULL, reterr);
}

static void end_by(int signal)
{
	_exit(128 + signal);
}

/*
 * The kernel keeps from the first process of a pid namespace what it has no handler for. These would end a program, so
 * they end what waits to become one; execve(2) takes the handlers away.
 */
static void obey_signals(void)
{
	static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };
	sigset_t none;

	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		(void)signal(ending[i], end_by);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Opening a FIFO for writing blocks until a reader comes: that is the whole state "created". If the
 * reader dies before it took the byte, the write is EPIPE and the container is simply still created.
 */
int op_wait_start(struct context *ctx, const struct op_wait_start *op, struct failure *reterr)
{
	char fifo[16];

	(void)op;
	(void)signal(SIGPIPE, SIG_IGN);
	ctx->signals_ready = false;
	obey_signals();
	close_fd(&ctx->sync_fd);
	(void)snprintf(fifo, sizeof(fifo), "%d", ctx->fifo_fd);
	for (;;) {
		ctx->start_fd = openat(ctx->self_fds, fifo, O_WRONLY | O_CLOEXEC);
		if (ctx->start_fd < 0 && errno == EINTR)
			continue;
		if (ctx->start_fd < 0)
			return FAIL(reterr, "open");
		if (write_all(ctx->start_fd, "0", 1) == 0)
			break;
		if (errno != EPIPE)
			return FAIL(reterr, "write");
		close_fd(&ctx->start_fd);
	}
	close_fd(&ctx->fifo_fd);
	close_fd(&ctx->self_fds);
	return 0;
}
