/* The question to the plan cache: see question.h. */
#include "question.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cgroup.h"
#include "cleanup.h"
#include "context.h"
#include "host.h"
#include "io.h"
#include "plan.h"
#include "statedir.h"

#define HEAD_MAX   65536u
#define CONFIG_MAX (1u << 20) /* larger ones are not cached */

#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t mix(uint64_t sum, char c)
{
	return (sum ^ (uint8_t)c) * FNV_PRIME;
}

static uint64_t mix_all(uint64_t sum, struct text text)
{
	for (size_t i = 0; i < text.size; i++)
		sum = mix(sum, text.at[i]);
	return sum;
}

/* A JSON text without what is in its strings. */
static uint64_t mix_structure(uint64_t sum, struct text text)
{
	bool in_string = false;

	for (size_t i = 0; i < text.size; i++) {
		char c = text.at[i];

		if (c == '"')
			in_string = !in_string;
		else if (in_string && c == '\\')
			i++;
		if (!in_string)
			sum = mix(sum, c);
	}
	return sum;
}

/* Behind what there is, as src/runtime/bundle.ts reads it: a regular file. Its structure goes into the sum. */
static int add_document(struct growing *text, int dir, const char *path, uint64_t *sum)
{
	cleanup_fd int fd = openat(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char *at = text->at + text->size;
	struct stat st;
	ssize_t size;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	size = read_upto(fd, at, CONFIG_MAX);
	if (size < 0 || (size_t)size == CONFIG_MAX)
		return -1;
	*sum = mix_structure(*sum, (struct text){ at, (size_t)size });
	text->size += (size_t)size;
	return 0;
}

static bool has_keyring(const struct context *ctx)
{
	for (uint32_t i = 0; i < plan_header(&ctx->plan)->lists[LIST_INIT].count; i++)
		if (plan_op(&ctx->plan, LIST_INIT, i)->code == OP_SESSION_KEYRING)
			return true;
	return false;
}

/* What plannedBy() of src/compile/exec.ts takes from a plan. */
static void describe_planned(struct growing *text, const struct context *ctx)
{
	const struct plan *plan = &ctx->plan;
	const struct op *op;

	for (uint32_t i = 0; (op = cgroup_planned(ctx, i)) != NULL; i++) {
		const struct op_cgroup_create *v2 = (const void *)op;
		const struct op_cgroup_create_v1 *v1 = (const void *)op;

		if (op->code == OP_CGROUP_CREATE_V1)
			grow(text, "cgroup %u %s %s %s\n", v1->hierarchy, plan_str(plan, v1->controllers),
				plan_str(plan, v1->mount), plan_str(plan, v1->path));
		else
			grow(text, "cgroup 0  %s %s\n", plan_str(plan, v2->mount), plan_str(plan, v2->path));
	}
	grow(text, "keyring %d\n", has_keyring(ctx));
}

/* What src/runtime/container.ts reads of it. */
static int describe_container(struct growing *text, const struct question_options *options, uint64_t *sum)
{
	static struct context ctx;
	struct args args = args_none();
	struct failure ignored = { 0 };
	int result = -1;

	args.root = options->root;
	args.id = options->id;
	context_init(&ctx, &args);
	if (statedir_load(&ctx, 0, &ignored) == 0) {
		describe_planned(text, &ctx);
		grow(text, "state ");
		result = add_document(text, ctx.state_fd, "state.json", sum);
		plan_unload(&ctx.plan);
	}
	close_fd(&ctx.root_fd);
	close_fd(&ctx.state_fd);
	return result;
}

static int describe_options(struct growing *text, const struct question_options *options)
{
	grow(text, "tsrun-cache %u\nhome %s\n", ENTRY_VERSION, options->home);
	if (options->process == NULL) {
		grow(text, "no-pivot %d\nno-new-keyring %d\nsystemd-cgroup %d\n", options->no_pivot,
			options->no_new_keyring, options->systemd_cgroup);
		return options->systemd_cgroup ? host_describe_systemd(text) : 0;
	}
	grow(text, "exec\n");
	return 0;
}

/* The directory of a bundle with its config, or the file of a process. */
static int describe_input(struct growing *text, const struct question_options *options, uint64_t *sum)
{
	char config[PATH_MAX];

	if (options->process != NULL) {
		grow(text, "\nprocess %s\n\n", options->process);
		return text->full ? -1 : add_document(text, AT_FDCWD, options->process, sum);
	}
	grow(text, "bundle %s\n\n", options->bundle);
	if (text->full || snprintf(config, sizeof(config), "%s/config.json", options->bundle) >= (int)sizeof(config))
		return -1;
	return add_document(text, AT_FDCWD, config, sum);
}

int question_ask(const struct question_options *options, struct question *ret_question)
{
	const size_t room = 2 * (HEAD_MAX + CONFIG_MAX);
	void *memory = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct growing text = { .at = memory, .room = HEAD_MAX };
	uint64_t sum;

	if (memory == MAP_FAILED || describe_options(&text, options) < 0 || host_describe(&text) < 0)
		return -1;
	sum = mix_all(FNV_START, (struct text){ text.at, text.size });
	if (options->process != NULL && describe_container(&text, options, &sum) < 0)
		return -1;
	text.room = text.size + HEAD_MAX;
	if (describe_input(&text, options, &sum) < 0)
		return -1;
	ret_question->text = (struct text){ text.at, text.size };
	ret_question->shape = sum;
	return 0;
}
