/*
 * CRIU_SOCKET, ADOPT, RESTORED, MAKE_MOUNTPOINT: what a restored container has beside one that was created. CRIU makes
 * its processes; the peer of --adopt-fd, a SEQPACKET socket, talks to CRIU and says what came of it:
 *
 *   I CRIU_SOCKET ── pid, socket ──▶ peer  asks CRIU, which I becomes, to restore
 *   E ADOPT     ◀── pid ──────            the root task is there, not running yet
 *   E RECORD_INIT, hooks
 *   E RESTORED  ── "A" ──────▶            lets CRIU go on
 *   E           ◀── "D" ──────            all tasks are restored; the master of the terminal comes along
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../cleanup.h"
#include "../context.h"
#include "../saferoot.h"
#include "../sys.h"
#include "../tty.h"
#include "../unixsocket.h"

/* 0 once the peer has something to say or is gone; -1 when we are asked to stop. */
static int wait_for_peer(const struct context *ctx, struct failure *reterr)
{
	struct pollfd fds[2] = {
		{ .fd = ctx->args->adopt_fd, .events = POLLIN },
		{ .fd = ctx->signal_fd, .events = POLLIN },
	};

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return FAIL(reterr, "poll");
	if (fds[1].revents == 0)
		return 0;
	errno = EINTR;
	return FAIL(reterr, "poll");
}

/* One message of exactly this size, with a descriptor or -1. */
static int receive(const struct context *ctx, void *data, size_t size, int *ret_fd, struct failure *reterr)
{
	ssize_t got;

	if (wait_for_peer(ctx, reterr) < 0)
		return -1;
	got = unix_receive_fd(ctx->args->adopt_fd, 0, ret_fd, data, size);
	if (got == (ssize_t)size)
		return 0;
	if (got >= 0)
		errno = got == 0 ? ECANCELED : EPROTO;
	return FAIL(reterr, "recvmsg");
}

/* Under exactly this number, so that the plan could name it; it survives execve(2). */
static int place(int fd, int number, struct failure *reterr)
{
	if (fcntl(number, F_GETFD) >= 0) {
		errno = EBUSY;
		return FAIL(reterr, "dup2");
	}
	return dup2(fd, number) < 0 ? FAIL(reterr, "dup2") : 0;
}

static int place_directory(const char *path, int number, struct failure *reterr)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? FAIL(reterr, "open") : place(fd, number, reterr);
}

int op_criu_socket(struct context *ctx, const struct op_criu_socket *op, struct failure *reterr)
{
	cleanup_fd int ours = -1;
	cleanup_fd int theirs = -1;
	int first = (int)op->first;
	int32_t pid = getpid();
	int pair[2];

	if (place_directory(plan_str(&ctx->plan, op->images), first + 1, reterr) < 0 ||
		place_directory(plan_str(&ctx->plan, op->work), first + 2, reterr) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return FAIL(reterr, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	if (place(ours, first, reterr) < 0)
		return -1;
	return unix_send_fd(ctx->args->adopt_fd, theirs, &pid, sizeof(pid)) < 0 ? FAIL(reterr, "sendmsg") : 0;
}

int op_adopt(struct context *ctx, const struct op_adopt *op, struct failure *reterr)
{
	cleanup_fd int unexpected = -1;
	int32_t pid = 0;

	(void)op;
	if (receive(ctx, &pid, sizeof(pid), &unexpected, reterr) < 0)
		return -1;
	ctx->helper_pidfd = steal_fd(&ctx->init_pidfd);
	/* Stopped by CRIU until it hears from the peer, so the pid cannot be another's yet. */
	ctx->init_pidfd = sys_pidfd_open(pid);
	if (ctx->init_pidfd < 0)
		return FAIL(reterr, "pidfd_open");
	ctx->init_pid = pid;
	return 0;
}

int op_restored(struct context *ctx, const struct op_restored *op, struct failure *reterr)
{
	cleanup_fd int master = -1;
	char done;

	(void)op;
	if (send(ctx->args->adopt_fd, "A", 1, MSG_NOSIGNAL) < 0)
		return FAIL(reterr, "send");
	if (receive(ctx, &done, 1, &master, reterr) < 0)
		return -1;
	/* From here on CRIU has nothing left to undo; it may still serve pages. */
	close_fd(&ctx->helper_pidfd);
	if (master < 0 || ctx->console_fd < 0)
		return 0;
	return tty_send_master(ctx->console_fd, master, reterr);
}

int op_make_mountpoint(struct context *ctx, const struct op_make_mountpoint *op, struct failure *reterr)
{
	const char *dest = plan_str(&ctx->plan, op->dest);
	cleanup_fd int made = -1;
	char source[PATH_MAX];
	struct stat st;

	if (expand_slots(ctx, plan_str(&ctx->plan, op->source), STATUS_CREATING, source, sizeof(source)) < 0)
		return FAIL(reterr, "stat");
	if (stat(source, &st) < 0)
		return FAIL(reterr, "stat");
	if (S_ISDIR(st.st_mode))
		made = saferoot_mkdir(ctx->rootfs_fd, dest, 0755);
	else
		made = saferoot_mkfile(ctx->rootfs_fd, dest);
	return made < 0 ? FAIL(reterr, "openat2") : 0;
}
