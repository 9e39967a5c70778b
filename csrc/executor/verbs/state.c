/* state: prints the OCI state, whose text the compiler made and whose status is computed now. */
#include <string.h>
#include <unistd.h>

#include "../io.h"
#include "../statedir.h"
#include "../verbs.h"

int verb_state(struct context *ctx, struct failure *reterr)
{
	const char *template;
	const char *text;
	uint32_t status;

	if (statedir_load(ctx, 0, reterr) < 0 || statedir_status(ctx, &status, reterr) < 0)
		return -1;
	template = plan_str(&ctx->plan, plan_header(&ctx->plan)->state_json);
	text = map_expanded(ctx, template, status, reterr);
	if (text == NULL)
		return -1;
	return write_all(STDOUT_FILENO, text, strlen(text)) < 0 ? FAIL(reterr, "write") : 0;
}
