/*
 * Live mounts: JOIN_MOUNTS, OPEN_MOUNT, UNMOUNT, and what takes back the ones that were attached when a later one
 * fails.
 *
 * The process that attaches them is in the container's mount namespace with a user who may make mount points there, and
 * in the host's pid namespace: no process of the container can see it, let alone trace it (CVE-2016-9962). It is not
 * dumpable all the same, because a container may have the host's pid namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include "../channel.h"
#include "../cleanup.h"
#include "../container.h"
#include "../context.h"
#include "../creds.h"
#include "../mounting.h"
#include "../procfs.h"
#include "../saferoot.h"
#include "../sys.h"

static int enter(struct context *ctx, uint64_t namespaces, struct failure *reterr)
{
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return FAIL(reterr, "prctl");
	ctx->self_fds = procfs_openat(ctx->proc_fd, "self/fd", O_PATH | O_DIRECTORY);
	if (ctx->self_fds < 0)
		return FAIL(reterr, "openat2");
	drop_host_fds(ctx);
	if (setns(ctx->target_pidfd, (int)namespaces) < 0)
		return FAIL(reterr, "setns");
	close_fd(&ctx->target_pidfd);
	/* The uppermost mount on "/" of that namespace: the container's root, whatever its init has made its own since.
	 */
	if (need_rootfs(ctx, reterr) < 0)
		return -1;
	return (namespaces & CLONE_NEWUSER) != 0 ? become_root(reterr) : 0;
}

static _Noreturn void run_inside(struct context *ctx, const struct op_join_mounts *op)
{
	struct failure failure = { 0 };

	ctx->role = ROLE_INIT;
	close_fd(&ctx->sync_fd);
	ctx->sync_fd = steal_fd(&ctx->peer_fd);
	if (enter(ctx, op->namespaces, &failure) == 0)
		container_main(ctx);
	failure.list = LIST_SPAWN;
	failure.index = ctx->index;
	failure.opcode = OP_JOIN_MOUNTS;
	channel_send_record(ctx, &failure);
	_exit(1);
}

int op_join_mounts(struct context *ctx, const struct op_join_mounts *op, struct failure *reterr)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = sys_clone3(&args);

	if (pid < 0)
		return FAIL(reterr, "clone3");
	if (pid == 0)
		run_inside(ctx, op);
	close_fd(&ctx->peer_fd);
	close_fd(&ctx->target_pidfd);
	ctx->init_pid = pid;
	ctx->init_pidfd = pidfd;
	return 0;
}

int op_open_mount(struct context *ctx, const struct op_open_mount *op, struct failure *reterr)
{
	int *slot = find_slot(ctx, op->slot, reterr);
	cleanup_fd int fd = -1;
	uint64_t root;
	uint64_t id;

	if (slot == NULL)
		return -1;
	fd = saferoot_open(ctx->rootfs_fd, plan_str(&ctx->plan, op->dest), O_PATH);
	if (fd < 0)
		return FAIL(reterr, "openat2");
	if (mount_id(fd, &id) < 0 || mount_id(ctx->rootfs_fd, &root) < 0)
		return FAIL(reterr, "statx");
	errno = 0;
	/* A link of the container's may lead to another mount, to one that masks something for example. */
	if (mount_is_root(fd) != 1 || id != op->mount_id || id == root)
		return FAIL_AS(reterr, PROBLEM_NOT_A_MOUNT, "statx");
	*slot = steal_fd(&fd);
	return 0;
}

/* umount2(2) takes only a path. This one leads to the descriptor, through a procfs that nobody else has. */
static int detach(const struct context *ctx, int mount_fd)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "%d", mount_fd);
	if (fchdir(ctx->self_fds) < 0)
		return -1;
	return umount2(name, MNT_DETACH);
}

int op_unmount(struct context *ctx, const struct op_unmount *op, struct failure *reterr)
{
	const int *slot = find_slot(ctx, op->slot, reterr);

	if (slot == NULL)
		return -1;
	return detach(ctx, *slot) < 0 ? FAIL(reterr, "umount2") : 0;
}

int live_note(struct context *ctx, int mount_fd, struct failure *reterr)
{
	uint64_t id;
	int held;

	if (ctx->live_count == LIVE_MAX) {
		errno = ERANGE;
		return FAIL_AS(reterr, PROBLEM_BAD_PLAN, "live");
	}
	if (mount_id(mount_fd, &id) < 0)
		return FAIL(reterr, "statx");
	held = fcntl(mount_fd, F_DUPFD_CLOEXEC, 3);
	if (held < 0)
		return FAIL(reterr, "fcntl");
	ctx->live[ctx->live_count++] = held;
	return channel_send_value(ctx, MESSAGE_MOUNTED, (uint32_t)id, reterr);
}

void live_undo(struct context *ctx)
{
	/* EINVAL: noted, and never attached. */
	while (ctx->live_count > 0)
		(void)detach(ctx, ctx->live[--ctx->live_count]);
}
