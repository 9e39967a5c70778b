/* The sync socket: see channel.h. */
#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"

struct message {
	uint32_t kind;
	uint32_t value;
	struct failure record; /* sent with MESSAGE_RECORD only */
};

#define SHORT_MESSAGE offsetof(struct message, record)

int channel_open(struct context *ctx, struct failure *reterr)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return FAIL(reterr, "socketpair");
	ctx->sync_fd = pair[0];
	ctx->peer_fd = pair[1];
	return 0;
}

static int send_message(struct context *ctx, const struct message *message, size_t size)
{
	ssize_t sent;

	do
		sent = send(ctx->sync_fd, message, size, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -1 : 0;
}

int channel_send_value(struct context *ctx, enum message_kind kind, uint32_t value, struct failure *reterr)
{
	struct message message = { .kind = kind, .value = value };

	return send_message(ctx, &message, SHORT_MESSAGE) < 0 ? FAIL(reterr, "send") : 0;
}

void channel_send_record(struct context *ctx, const struct failure *record)
{
	struct message message = { .kind = MESSAGE_RECORD, .record = *record };

	(void)send_message(ctx, &message, sizeof(message));
}

/* The other side closed the socket, or ended, without a word: it was killed. Was it for memory? */
static int peer_died(struct context *ctx, struct failure *reterr)
{
	siginfo_t info = { 0 };
	bool for_memory = cgroup_was_oom_killed(ctx);

	errno = 0;
	if (for_memory) {
		(void)FAIL_AS(reterr, PROBLEM_OOM_KILLED, "recv");
		cgroup_detail_memory(ctx, reterr);
		return -1;
	}
	/* Our own child; its end comes a moment after that of the socket. */
	if (ctx->init_pidfd >= 0 && waitid(P_PIDFD, (id_t)ctx->init_pidfd, &info, WEXITED | WNOWAIT) == 0 &&
		info.si_code != CLD_EXITED && info.si_status == SIGSYS)
		return FAIL_AS(reterr, PROBLEM_SECCOMP_KILLED, "recv");
	errno = 0;
	return FAIL_AS(reterr, PROBLEM_INIT_DIED, "recv");
}

/*
 * 1: there is something to receive, 0: not within the time, or never: the stage has ended, and init, which has the
 * other end of the socket too, waits for us. A signal that asks to stop is EINTR.
 */
static int wait_message(struct context *ctx, int milliseconds, struct failure *reterr)
{
	struct pollfd fds[3] = {
		{ .fd = ctx->sync_fd, .events = POLLIN },
		{ .fd = ctx->signal_fd, .events = POLLIN },
		{ .fd = ctx->helper_pidfd, .events = POLLIN },
	};

	while (poll(fds, 3, milliseconds) < 0)
		if (errno != EINTR)
			return FAIL(reterr, "poll");
	if (fds[1].revents != 0) {
		errno = EINTR;
		return FAIL(reterr, "signal");
	}
	/* What the stage said before it ended has arrived by now. */
	if (fds[0].revents == 0 && fds[2].revents != 0)
		return poll(fds, 1, 0) > 0 ? 1 : 0;
	return fds[0].revents != 0 ? 1 : 0;
}

/* 1: a message, 0: the socket is closed, or the stage gone, -1: *reterr. */
static int receive(struct context *ctx, struct message *ret_message, struct failure *reterr)
{
	int ready = wait_message(ctx, -1, reterr);
	ssize_t got;

	if (ready <= 0)
		return ready;
	do
		got = recv(ctx->sync_fd, ret_message, sizeof(*ret_message), 0);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno != ECONNRESET)
		return FAIL(reterr, "recv");
	if (got <= 0)
		return 0;
	if (ret_message->kind != MESSAGE_RECORD)
		return 1;
	if (ret_message->record.kind != KIND_VERDICT) {
		report_warning(ctx, &ret_message->record);
		return 1;
	}
	*reterr = ret_message->record;
	return -1;
}

int channel_expect(
	struct context *ctx, enum message_kind kind, uint32_t value, uint32_t *ret_value, struct failure *reterr)
{
	struct message message;

	while (kind != MESSAGE_PHASE || ctx->phase < value) {
		int got = receive(ctx, &message, reterr);

		if (got < 0)
			return -1;
		if (got == 0)
			return peer_died(ctx, reterr);
		if (message.kind == MESSAGE_PHASE)
			ctx->phase = message.value;
		if (message.kind == MESSAGE_MOUNTED && ctx->live_count < LIVE_MAX)
			ctx->live_ids[ctx->live_count++] = message.value;
		if (message.kind == kind && kind != MESSAGE_PHASE) {
			*ret_value = message.value;
			return 0;
		}
	}
	return 0;
}

int channel_take(struct context *ctx, int milliseconds, struct failure *reterr)
{
	struct message message;
	int got = wait_message(ctx, milliseconds, reterr);

	if (got <= 0)
		return got;
	got = receive(ctx, &message, reterr);
	if (got < 0)
		return -1;
	if (got == 0)
		return peer_died(ctx, reterr);
	if (message.kind == MESSAGE_PHASE)
		ctx->phase = message.value;
	return 0;
}

int channel_drain(struct context *ctx, struct failure *reterr)
{
	struct message message;
	int got;

	do
		got = receive(ctx, &message, reterr);
	while (got > 0);
	return got;
}
