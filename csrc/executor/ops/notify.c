/* NOTIFY_DIRECTORY: where the container's notify socket will be. sd_notify(3); relay.h. */
#include <fcntl.h>
#include <sys/stat.h>

#include "../cleanup.h"
#include "../context.h"
#include "../mounting.h"
#include "../relay.h"

int op_notify_directory(struct context *ctx, const struct op_notify_directory *op, struct failure *reterr)
{
	int *slot = find_slot(ctx, op->slot, reterr);
	cleanup_fd int directory = -1;

	if (slot == NULL)
		return -1;
	if (mkdirat(ctx->state_fd, NOTIFY_DIRECTORY_NAME, 0700) < 0)
		return FAIL(reterr, "mkdirat");
	directory = openat(ctx->state_fd, NOTIFY_DIRECTORY_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Whatever the caller's umask is: the program's user must reach the socket. */
	if (directory < 0 || fchmod(directory, 0755) < 0)
		return FAIL(reterr, "fchmod");
	*slot = mount_clone(directory, 0);
	return *slot < 0 ? FAIL(reterr, "open_tree") : 0;
}
