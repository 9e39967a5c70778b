/* state: prints the OCI state, whose text the compiler made and whose status is computed now. */
#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "../io.h"
#include "../statedir.h"
#include "../verbs.h"

/* Without a pid on record only create holds the lock, before its clone, or a delete of what such a create left. */
static bool is_locked(const struct context *ctx)
{
	return flock(ctx->state_fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

const char *state_text(struct context *ctx, struct failure *reterr)
{
	uint32_t status;

	if (statedir_load(ctx, 0, reterr) < 0 || statedir_status(ctx, &status, reterr) < 0)
		return NULL;
	if (status == STATUS_STOPPED && ctx->init_pid == 0 && is_locked(ctx))
		status = STATUS_CREATING;
	return map_expanded(ctx, plan_str(&ctx->plan, plan_header(&ctx->plan)->state_json), status, reterr);
}

int verb_state(struct context *ctx, struct failure *reterr)
{
	const char *text = state_text(ctx, reterr);

	if (text == NULL)
		return -1;
	return print_all(text, strlen(text)) < 0 ? FAIL(reterr, "write") : 0;
}
