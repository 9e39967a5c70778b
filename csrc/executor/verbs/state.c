/* state: prints the OCI state, whose text the compiler made and whose status is computed now. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../io.h"
#include "../statedir.h"
#include "../verbs.h"

int verb_state(struct context *ctx, struct failure *reterr)
{
	const char *template;
	uint32_t status;
	size_t room;
	char *text;
	long length;

	if (statedir_load(ctx, 0, reterr) < 0 || statedir_status(ctx, &status, reterr) < 0)
		return -1;
	template = plan_str(&ctx->plan, plan_header(&ctx->plan)->state_json);
	room = strlen(template) + PATH_MAX;
	text = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (text == MAP_FAILED)
		return FAIL(reterr, "mmap");
	length = expand_slots(ctx, template, status, text, room);
	if (length < 0)
		return FAIL_AS(reterr, PROBLEM_BAD_PLAN, "slots");
	if (write_all(STDOUT_FILENO, text, (size_t)length) < 0)
		return FAIL(reterr, "write");
	return 0;
}
