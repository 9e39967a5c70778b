/* CONTAINER_NULL and STDIO_OWNER: descriptors 0 to 2 of the program. */
#include <errno.h>
#include <fcntl.h>

#include "../cleanup.h"
#include "../context.h"
#include "../device.h"
#include "../mounting.h"
#include "../procfs.h"
#include "../saferoot.h"

/* The container's /dev/null. -1 with errno; ENOENT: it has none. */
static int open_null(const struct context *ctx, struct failure *reterr)
{
	cleanup_fd int node = saferoot_open(ctx->rootfs_fd, "/dev/null", O_PATH);
	struct stat st;
	int fd;

	if (node < 0)
		return FAIL(reterr, "openat2");
	if (fstat(node, &st) < 0)
		return FAIL(reterr, "fstat");
	/* Looked at before it is opened: the image may have put a FIFO or another device there. */
	if (!is_null_device(&st)) {
		errno = ENODEV;
		return FAIL_AS(reterr, PROBLEM_WRONG_DEVICE, "fstat");
	}
	fd = procfs_reopen(ctx->proc_fd, node, O_RDWR);
	return fd < 0 ? FAIL(reterr, "openat") : fd;
}

int op_container_null(struct context *ctx, const struct op_container_null *op, struct failure *reterr)
{
	cleanup_fd int null = -1;
	struct stat st;

	(void)op;
	if (need_rootfs(ctx, reterr) < 0)
		return -1;
	for (int fd = 0; fd <= 2; fd++) {
		if (fstat(fd, &st) < 0 || !is_null_device(&st))
			continue;
		if (null < 0)
			null = open_null(ctx, reterr);
		/* A root file system without /dev: the host's null stays, which is no more than a null. */
		if (null < 0)
			return reterr->error == ENOENT ? 0 : -1;
		if (dup2(null, fd) < 0)
			return FAIL(reterr, "dup2");
	}
	return 0;
}

int op_stdio_owner(struct context *ctx, const struct op_stdio_owner *op, struct failure *reterr)
{
	struct stat st;

	(void)ctx;
	for (int fd = 0; fd <= 2; fd++) {
		/* /dev/null is everybody's. */
		if (fstat(fd, &st) < 0 || is_null_device(&st) || st.st_uid == op->uid)
			continue;
		if (fchown(fd, op->uid, (gid_t)-1) == 0)
			continue;
		/* Not mapped, not ours, or on a read-only file system: the program may still use it. */
		if (errno != EINVAL && errno != EPERM && errno != EROFS)
			return FAIL(reterr, "fchown");
	}
	return 0;
}
