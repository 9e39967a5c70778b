/* EXIT_FILE: what the monitor will need is there, or create fails. */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "../cleanup.h"
#include "../context.h"
#include "../exitrecord.h"

int op_exit_file(struct context *ctx, const struct op_exit_file *op, struct failure *reterr)
{
	const char *path = plan_str(&ctx->plan, op->path);
	const char *name = strrchr(path, '/');
	char parent[PATH_MAX] = "/";
	cleanup_fd int directory = -1;

	if (name != NULL && name > path && (size_t)(name - path) < sizeof(parent)) {
		memcpy(parent, path, (size_t)(name - path));
		parent[name - path] = '\0';
	}
	directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return FAIL(reterr, "open");
	ctx->monitor_fd = openat(ctx->state_fd, MONITOR_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (ctx->monitor_fd < 0)
		return FAIL(reterr, "openat");
	return flock(ctx->monitor_fd, LOCK_EX | LOCK_NB) < 0 ? FAIL(reterr, "flock") : 0;
}
