/*
 * APPARMOR, SELINUX_EXEC, SELINUX_KEYS and SET_FILE_LABEL: config.md "Linux Process", config-linux.md. Labels for the
 * next execve(2), written through the private procfs: a label that lands in an image's fake /proc is no label at all
 * (CVE-2019-16884, CVE-2025-52881).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "../cleanup.h"
#include "../context.h"
#include "../procfs.h"
#include "../saferoot.h"

int op_apparmor(struct context *ctx, const struct op_apparmor *op, struct failure *reterr)
{
	char text[PATH_MAX];
	int length = snprintf(text, sizeof(text), "exec %s", plan_str(&ctx->plan, op->profile));

	if (length < 0 || (size_t)length >= sizeof(text)) {
		errno = ENAMETOOLONG;
		return FAIL(reterr, "write");
	}
	if (procfs_write(ctx->proc_fd, "self/attr/apparmor/exec", text) == 0)
		return 0;
	/* Before Linux 5.8 there is only the file shared by all security modules. */
	if (errno != ENOENT)
		return FAIL(reterr, "write");
	if (procfs_write(ctx->proc_fd, "self/attr/exec", text) < 0)
		return FAIL(reterr, "write");
	return 0;
}

int op_selinux_exec(struct context *ctx, const struct op_selinux_exec *op, struct failure *reterr)
{
	if (procfs_write(ctx->proc_fd, "self/attr/exec", plan_str(&ctx->plan, op->label)) < 0)
		return FAIL(reterr, "write");
	return 0;
}

int op_selinux_keys(struct context *ctx, const struct op_selinux_keys *op, struct failure *reterr)
{
	const char *label = plan_str(&ctx->plan, op->label);

	/* Nothing can be written no times; the kernel takes an empty line for it. */
	if (procfs_write(ctx->proc_fd, "self/attr/keycreate", label[0] == '\0' ? "\n" : label) < 0)
		return FAIL(reterr, "write");
	return 0;
}

int op_set_file_label(struct context *ctx, const struct op_set_file_label *op, struct failure *reterr)
{
	const char *label = plan_str(&ctx->plan, op->label);
	cleanup_fd int fd = saferoot_open(ctx->rootfs_fd, plan_str(&ctx->plan, op->path), O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return FAIL(reterr, "openat2");
	/* With the NUL, as setfilecon(3) does. */
	if (fsetxattr(fd, "security.selinux", label, strlen(label) + 1, 0) < 0)
		return FAIL(reterr, "fsetxattr");
	return 0;
}
