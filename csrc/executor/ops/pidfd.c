/* SEND_PIDFD: --pidfd-socket. One message: a word and a pidfd of the new process. pidfd_open(2). */
#include <string.h>
#include <sys/socket.h>

#include "../cleanup.h"
#include "../context.h"
#include "../unixsocket.h"

int op_send_pidfd(struct context *ctx, const struct op_send_pidfd *op, struct failure *reterr)
{
	cleanup_fd int receiver = unix_connect(SOCK_STREAM, plan_str(&ctx->plan, op->path), ctx->signal_fd);
	const char *text = plan_str(&ctx->plan, op->text);

	if (receiver < 0)
		return FAIL(reterr, "connect");
	return unix_send_fd(receiver, ctx->init_pidfd, text, strlen(text)) < 0 ? FAIL(reterr, "sendmsg") : 0;
}
