/*
 * Joining and making namespaces: setns(2), clone3(2), user_namespaces(7), time_namespaces(7).
 *
 * The executor itself never changes a namespace: hooks of the runtime's side run from it. Joining is
 * done by a stage process whose child, by CLONE_PARENT, is a child of the executor.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "../channel.h"
#include "../cleanup.h"
#include "../container.h"
#include "../context.h"
#include "../creds.h"
#include "../procfs.h"
#include "../sys.h"

#define NSFS_MAGIC 0x6e736673

int op_open_namespace(struct context *ctx, const struct op_open_namespace *op, struct failure *reterr)
{
	int *slot = find_slot(ctx, op->slot, reterr);
	cleanup_fd int fd = -1;
	struct statfs fs;

	if (slot == NULL)
		return -1;
	/* O_NONBLOCK: the path may be a FIFO. */
	fd = open(plan_str(&ctx->plan, op->path), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return FAIL(reterr, "open");
	if (fstatfs(fd, &fs) < 0)
		return FAIL(reterr, "fstatfs");
	if (fs.f_type != NSFS_MAGIC)
		return FAIL_AS(reterr, PROBLEM_NOT_A_NAMESPACE, "fstatfs");
	if ((uint64_t)ioctl(fd, NS_GET_NSTYPE) != op->type)
		return FAIL_AS(reterr, PROBLEM_WRONG_NAMESPACE, "ioctl");
	*slot = steal_fd(&fd);
	return 0;
}

static pid_t fork_into_cgroup(struct context *ctx, uint64_t flags, int signal, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = (unsigned int)signal,
	};

	/* The stage is in the cgroup already, and may no longer write to it when it is in a user namespace. */
	if (ctx->cgroup_fd >= 0 && ctx->role == ROLE_HOST) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned int)ctx->cgroup_fd;
	}
	return sys_clone3(&args);
}

/* The child's end of the sync socket becomes this process' own. */
static void take_peer_end(struct context *ctx)
{
	if (ctx->peer_fd < 0)
		return;
	close_fd(&ctx->sync_fd);
	ctx->sync_fd = steal_fd(&ctx->peer_fd);
}

int op_stage(struct context *ctx, const struct op_stage *op, struct failure *reterr)
{
	cleanup_fd int pidfd = -1;
	uint32_t init_pid = 0;
	pid_t stage;

	(void)op;
	stage = fork_into_cgroup(ctx, 0, SIGCHLD, &pidfd);
	if (stage < 0)
		return FAIL(reterr, "clone3");
	if (stage == 0) {
		ctx->role = ROLE_STAGE;
		take_peer_end(ctx);
		drop_host_fds(ctx);
		/* Of exec; create still has to mount it. */
		if (ctx->target_pidfd >= 0)
			close_fd(&ctx->cgroup_fd);
		/* From here on it may be in a container's pid namespace: nobody there may ptrace it (CVE-2016-9962). */
		if (prctl(PR_SET_DUMPABLE, 0) < 0)
			return FAIL(reterr, "prctl");
		return 0;
	}
	close_fd(&ctx->peer_fd);
	ctx->helper_pidfd = steal_fd(&pidfd);
	if (channel_expect(ctx, MESSAGE_SPAWNED, 0, &init_pid, reterr) < 0)
		return -1;
	ctx->init_pid = (pid_t)init_pid;
	while (waitpid(stage, NULL, 0) < 0 && errno == EINTR)
		;
	close_fd(&ctx->helper_pidfd);
	/* Our own child, by CLONE_PARENT: the pid cannot be another's until we reap it. */
	ctx->init_pidfd = sys_pidfd_open(ctx->init_pid);
	if (ctx->init_pidfd < 0)
		return FAIL(reterr, "pidfd_open");
	return 1;
}

static bool user_namespace_follows(const struct context *ctx)
{
	uint32_t count = plan_header(&ctx->plan)->lists[LIST_SPAWN].count;

	for (uint32_t i = ctx->index + 1; i < count; i++) {
		const struct op *op = plan_op(&ctx->plan, LIST_SPAWN, i);

		if (op->code == OP_JOIN_NAMESPACE &&
			((const struct op_join_namespace *)(const void *)op)->type == CLONE_NEWUSER)
			return true;
	}
	return false;
}

static int join_deferred(struct context *ctx, struct failure *reterr)
{
	for (uint32_t i = 0; i < ctx->deferred_count; i++)
		if (setns(ctx->slots[ctx->deferred[i]], 0) < 0)
			return FAIL(reterr, "setns");
	ctx->deferred_count = 0;
	return 0;
}

int op_join_namespace(struct context *ctx, const struct op_join_namespace *op, struct failure *reterr)
{
	const int *slot = find_slot(ctx, op->slot, reterr);

	if (slot == NULL)
		return -1;
	if (setns(*slot, (int)op->type) == 0) {
		if (op->type != CLONE_NEWUSER)
			return 0;
		/* The namespaces that are left are owned by its root. */
		return become_root(reterr) < 0 ? -1 : join_deferred(ctx, reterr);
	}
	/* Owned by the user namespace that is joined later: only its root may enter. */
	if (errno == EPERM && user_namespace_follows(ctx) && ctx->deferred_count < 8) {
		ctx->deferred[ctx->deferred_count++] = op->slot;
		return 0;
	}
	return FAIL(reterr, "setns");
}

int op_join_init(struct context *ctx, const struct op_join_init *op, struct failure *reterr)
{
	if (setns(ctx->target_pidfd, (int)op->namespaces) < 0)
		return FAIL(reterr, "setns");
	return (op->namespaces & CLONE_NEWUSER) != 0 ? become_root(reterr) : 0;
}

int op_clone(struct context *ctx, const struct op_clone *op, struct failure *reterr)
{
	bool staged = ctx->role == ROLE_STAGE;
	uint64_t flags;
	int pidfd = -1;
	pid_t pid;

	/* Made before its ids are mapped, an ipc namespace's mqueue would be nobody's: see BECOME_ROOT. */
	if ((op->namespaces & CLONE_NEWUSER) != 0)
		ctx->unshare_as_root = op->namespaces & CLONE_NEWIPC;
	close_fd(&ctx->target_pidfd);
	flags = op->namespaces & ~ctx->unshare_as_root;
	/* With CLONE_PARENT the exit signal is the stage's own, and naming one is EINVAL. */
	pid = fork_into_cgroup(ctx, flags | (staged ? CLONE_PARENT : 0), staged ? 0 : SIGCHLD, &pidfd);
	if (pid < 0)
		return FAIL(reterr, "clone3");
	if (pid == 0) {
		close_fd(&pidfd);
		ctx->role = ROLE_INIT;
		take_peer_end(ctx);
		if (!staged)
			drop_host_fds(ctx);
		container_main(ctx);
	}
	if (staged) {
		if (channel_send_value(ctx, MESSAGE_SPAWNED, (uint32_t)pid, reterr) < 0)
			return -1;
		_exit(0);
	}
	close_fd(&ctx->peer_fd);
	ctx->init_pid = pid;
	ctx->init_pidfd = pidfd;
	return 0;
}

int op_unshare_time(struct context *ctx, const struct op_unshare_time *op, struct failure *reterr)
{
	(void)ctx;
	(void)op;
	return unshare(CLONE_NEWTIME) < 0 ? FAIL(reterr, "unshare") : 0;
}

/* From outside: init is no longer dumpable when it joined something, and its own files in /proc are then the host's. */
int op_time_offsets(struct context *ctx, const struct op_time_offsets *op, struct failure *reterr)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "%d/timens_offsets", ctx->init_pid);
	if (procfs_write(ctx->proc_fd, path, plan_str(&ctx->plan, op->offsets)) < 0)
		return FAIL(reterr, "write");
	return 0;
}

int op_enter_time(struct context *ctx, const struct op_enter_time *op, struct failure *reterr)
{
	cleanup_fd int fd = procfs_open_namespace(ctx->proc_fd, "time_for_children");

	(void)op;
	if (fd < 0)
		return FAIL(reterr, "open");
	return setns(fd, CLONE_NEWTIME) < 0 ? FAIL(reterr, "setns") : 0;
}
