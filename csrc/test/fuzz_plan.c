/*
 * Feeds plan_verify(), and reads whatever it lets through as the handlers would: every string to its
 * end, every vector, every blob. The sanitizers say when that leaves the plan.
 */
#include "build_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t sink;

static void read_field(const struct plan *plan, const uint8_t *record, struct field_desc field)
{
	struct plan_strv vector;
	struct plan_blob blob;
	uint32_t at;
	const char *text;

	switch (field.kind) {
	case FIELD_STR:
		memcpy(&at, record + field.offset, sizeof(at));
		sink += strlen(plan_str(plan, at));
		break;
	case FIELD_STRV:
		memcpy(&vector, record + field.offset, sizeof(vector));
		text = plan_str(plan, vector.offset);
		for (uint32_t i = 0; i < vector.count; i++, text = plan_next(text))
			sink += strlen(text);
		break;
	case FIELD_BLOB:
		memcpy(&blob, record + field.offset, sizeof(blob));
		for (uint32_t i = 0; i < blob.length; i++)
			sink += ((const uint8_t *)plan_blob(plan, blob))[i];
		break;
	default:
		break;
	}
}

static void read_plan(const struct plan *plan)
{
	sink += strlen(plan_str(plan, plan_header(plan)->state_json));
	for (unsigned int list = 0; list < LIST_COUNT; list++) {
		for (uint32_t i = 0; i < plan_header(plan)->lists[list].count; i++) {
			const struct op *op = plan_op(plan, list, i);

			sink += strlen(plan_str(plan, op->origin));
			for (unsigned int f = 0; f < OP_DESC[op->code].fields; f++)
				read_field(plan, (const void *)op, OP_DESC[op->code].field[f]);
		}
	}
}

static void try(const uint8_t *data, size_t size)
{
	/* As large as the input and no larger, so that a read one byte past it is seen. */
	uint8_t *bytes = malloc(size > 0 ? size : 1);
	struct plan plan = { bytes, size };
	uint32_t offset;

	if (bytes == NULL)
		abort();
	if (size > 0)
		memcpy(bytes, data, size);
	if (plan_verify(bytes, size, &offset) == 0)
		read_plan(&plan);
	free(bytes);
}

static struct plan sample(struct build *build)
{
	const char *const args[] = { "sh", "-c", "true", NULL };
	struct op_exec exec = { .code = OP_EXEC };
	struct op_run_hook hook = { .code = OP_RUN_HOOK };
	struct op_seccomp seccomp = { .code = OP_SECCOMP };
	struct op_mount_fs mount = { .code = OP_MOUNT_FS };

	build_start(build);
	build_header(build)->state_json = build_str(build, "{\"id\":\"\001I\",\"status\":\"\001S\"}");
	exec.origin = build_str(build, "/process");
	exec.args = hook.args = mount.options = build_strv(build, args);
	exec.env = hook.env = build_strv(build, (const char *const[]){ "PATH=/bin", NULL });
	hook.path = mount.type = build_str(build, "/bin/true");
	seccomp.filter = build_blob(build, args, sizeof(args));
	build_op(build, LIST_SETTLE, &hook, sizeof(hook));
	build_op(build, LIST_INIT, &mount, sizeof(mount));
	build_op(build, LIST_INIT, &seccomp, sizeof(seccomp));
	build_op(build, LIST_INIT, &exec, sizeof(exec));
	return build_finish(build);
}

/* The input as changes to a valid plan: {u16 offset, u32 value} each, most of them small and in the records. */
static void try_changes(const uint8_t *data, size_t size)
{
	static struct build build;
	struct plan plan = sample(&build);
	uint16_t at;

	for (size_t i = 0; i + 6 <= size && i < 6 * 4; i += 6) {
		memcpy(&at, data + i, sizeof(at));
		memcpy(build.bytes + at % (plan.size - 4), data + i + 2, 1 + (size_t)(data[i + 2] & 3));
	}
	try(plan.bytes, plan.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try(data, size);
	try_changes(data, size);
	return 0;
}
