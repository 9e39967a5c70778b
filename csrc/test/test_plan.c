/* plan_verify() and the accessors: what a broken or hostile plan may try. */
#include <sys/mman.h>
#include <unistd.h>

#include "build_plan.h"
#include "tap.h"

static struct build build;
static uint32_t offset;

static bool accepts(const struct plan *plan)
{
	return plan_verify(plan->bytes, plan->size, &offset) == 0;
}

static struct op_run_hook *hook_record(void)
{
	return (void *)(build.bytes + build_header(&build)->lists[LIST_SETTLE].first);
}

static struct plan valid_plan(void)
{
	struct op_run_hook hook = { .code = OP_RUN_HOOK };
	struct op_seccomp seccomp = { .code = OP_SECCOMP };
	struct op_umask mask = { .code = OP_UMASK, .mode = 022 };

	build_start(&build);
	build_header(&build)->state_json = build_str(&build, "{\"id\":\"\001I\"}");
	hook.origin = build_str(&build, "/hooks/prestart/0");
	hook.path = build_str(&build, "/bin/true");
	hook.args = build_strv(&build, (const char *const[]){ "true", "", "three", NULL });
	seccomp.filter = build_blob(&build, "12345678", 8);
	build_op(&build, LIST_SETTLE, &hook, sizeof(hook));
	build_op(&build, LIST_INIT, &seccomp, sizeof(seccomp));
	build_op(&build, LIST_INIT, &mask, sizeof(mask));
	return build_finish(&build);
}

static void test_header(void)
{
	struct plan plan = valid_plan();
	size_t accepted = 0;

	OK(accepts(&plan), "plan_verify() accepts a valid plan");
	for (size_t size = 0; size < plan.size; size++)
		accepted += plan_verify(plan.bytes, size, &offset) == 0;
	OK(accepted == 0, "plan_verify() refuses a plan cut at any byte");
	build.bytes[0] ^= 1;
	OK(!accepts(&plan) && offset == 0, "plan_verify() refuses another magic");
	plan = valid_plan();
	build_header(&build)->version++;
	OK(!accepts(&plan), "plan_verify() refuses another version");
	plan = valid_plan();
	build_header(&build)->strings_size -= 8;
	OK(!accepts(&plan), "plan_verify() refuses a string area that does not end with the plan");
	plan = valid_plan();
	build.bytes[plan.size - 1] = 'x';
	OK(!accepts(&plan), "plan_verify() refuses a string area without a terminator");
	plan = valid_plan();
	build_header(&build)->state_json = build_header(&build)->strings_size;
	OK(!accepts(&plan), "plan_verify() refuses a state JSON outside the string area");
}

static void test_lists(void)
{
	struct plan plan = valid_plan();

	build_header(&build)->lists[LIST_INIT].count = 0xffffffff;
	OK(!accepts(&plan), "plan_verify() refuses a count that would wrap around");
	plan = valid_plan();
	build_header(&build)->lists[LIST_TEARDOWN].first = build_header(&build)->strings + 8;
	OK(!accepts(&plan), "plan_verify() refuses a list inside the string area");
	plan = valid_plan();
	build_header(&build)->lists[LIST_SETTLE].first += 4;
	OK(!accepts(&plan), "plan_verify() refuses a misaligned list");
	plan = valid_plan();
	hook_record()->code = OP_LIMIT;
	OK(!accepts(&plan), "plan_verify() refuses an opcode past the last one");
	plan = valid_plan();
	hook_record()->code = 0;
	OK(!accepts(&plan), "plan_verify() refuses opcode 0");
	plan = valid_plan();
	hook_record()->code = OP_PIVOT_ROOT;
	OK(!accepts(&plan) && offset == build_header(&build)->lists[LIST_SETTLE].first,
		"plan_verify() refuses an op in a list that it does not run in, and says where");
}

static void test_fields(void)
{
	struct plan plan = valid_plan();
	struct op_seccomp *seccomp = (void *)(build.bytes + build_header(&build)->lists[LIST_INIT].first);

	hook_record()->path = build_header(&build)->strings_size;
	OK(!accepts(&plan), "plan_verify() refuses a string past the area");
	plan = valid_plan();
	hook_record()->origin = 0xfffffff0;
	OK(!accepts(&plan), "plan_verify() refuses an origin past the area");
	plan = valid_plan();
	hook_record()->args.count = 1000;
	OK(!accepts(&plan), "plan_verify() refuses a vector with more strings than there are");
	plan = valid_plan();
	hook_record()->args = (struct plan_strv){ 0xffffffff, 0 };
	OK(!accepts(&plan), "plan_verify() refuses an empty vector past the area");
	plan = valid_plan();
	seccomp->filter.offset += 4;
	OK(!accepts(&plan), "plan_verify() refuses a misaligned blob");
	plan = valid_plan();
	seccomp->filter.length = 0xfffffff8;
	OK(!accepts(&plan), "plan_verify() refuses a blob whose end would wrap around");
}

static void test_accessors(void)
{
	struct plan plan = valid_plan();
	const char *argv[4];

	plan_pointers(&plan, hook_record()->args, argv);
	OK(strcmp(argv[0], "true") == 0 && argv[1][0] == '\0' && strcmp(argv[2], "three") == 0 && argv[3] == NULL,
		"plan_pointers() gives every string of a vector, empty ones too, and NULL");
	OK(plan_op(&plan, LIST_INIT, 1)->code == OP_UMASK, "plan_op() finds the second record of a list");
}

static void test_load(void)
{
	struct plan plan = valid_plan();
	struct plan loaded;
	struct failure failure = { 0 };
	int fd = memfd_create("plan", MFD_CLOEXEC);

	OK(write(fd, plan.bytes, plan.size) == (ssize_t)plan.size && plan_load(fd, &loaded, &failure) == 0 &&
			loaded.size == plan.size,
		"plan_load() maps what a memfd holds");
	OK(ftruncate(fd, 100) == 0 && plan_load(fd, &loaded, &failure) < 0 && failure.problem == PROBLEM_BAD_PLAN,
		"plan_load() says BAD_PLAN for a short file");
	OK(ftruncate(fd, 1 << 30) == 0 && plan_load(fd, &loaded, &failure) < 0 && failure.problem == PROBLEM_BAD_PLAN,
		"plan_load() says BAD_PLAN for a huge file");
	close(fd);
}

/* The lists of init and of exec's init are the same here. */
static void test_exec(void)
{
	struct plan plan = valid_plan();
	struct plan copy = { mmap(NULL, plan.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		plan.size };
	struct failure failure = { 0 };

	memcpy((void *)(uintptr_t)copy.bytes, plan.bytes, plan.size);
	OK(plan_become_exec(&copy, &failure) < 0 && failure.problem == PROBLEM_NO_TEMPLATE,
		"plan_become_exec() says NO_TEMPLATE for a plan without lists for exec");
	((struct plan_header *)(uintptr_t)copy.bytes)->exec[LIST_INIT] = build_header(&build)->lists[LIST_INIT];
	OK(accepts(&copy), "lists for exec are accepted");
	OK(plan_become_exec(&copy, &failure) == 0 && plan_header(&copy)->lists[LIST_SETTLE].count == 0 &&
			plan_op(&copy, LIST_INIT, 1)->code == OP_UMASK,
		"plan_become_exec() puts them in the place of those of create");
	build_header(&build)->exec[LIST_SETUP] = build_header(&build)->lists[LIST_INIT];
	OK(!accepts(&plan), "an op in a list of exec that may not be there is refused");
	(void)valid_plan();
	build_header(&build)->exec[LIST_INIT].first = 0;
	OK(!accepts(&plan), "so is a list of exec that begins in the header");
}

int main(void)
{
	test_exec();
	test_header();
	test_lists();
	test_fields();
	test_accessors();
	test_load();
	return tap_done();
}
