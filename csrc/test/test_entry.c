/* Cache entries: what matches, what comes out, and what a damaged or hostile one may try. */
#include "build_entry.h"
#include "tap.h"

static struct build_entry build;
static struct entry entry;
static struct text values[ENTRY_MAX_SLOTS];
static uint8_t filled[sizeof(struct build) + 4096];

/* The size of the file is not what the entry says it is. */
static uint32_t size;

static void rebuild(void)
{
	entry_build(&build);
	size = entry_header_of(&build)->size;
}

static void reseal(void)
{
	entry_header_of(&build)->checksum = entry_checksum(build.bytes, size);
}

static bool opens(void)
{
	return entry_open(build.bytes, size, &entry) == 0;
}

static bool matches(const char *question)
{
	return entry_match(&entry, (struct text){ question, strlen(question) }, values);
}

static struct plan fill(void)
{
	size_t room = entry_plan_size(&entry, values);

	if (room == 0 || room > sizeof(filled))
		return (struct plan){ NULL, 0 };
	entry_fill(&entry, values, filled, room);
	return (struct plan){ filled, room };
}

static void test_match(void)
{
	struct plan plan;
	uint32_t offset;
	const struct op_run_hook *hook;
	const char *pointers[3];

	rebuild();
	OK(opens(), "entry_open() takes a sound entry");
	OK(matches("bundle /a/b\n{\"hostname\":\"first\"}\n"), "entry_match() takes values of their class");
	plan = fill();
	OK(plan.bytes != NULL && plan_verify(plan.bytes, plan.size, &offset) == 0, "entry_fill() gives a sound plan");
	hook = (const void *)plan_op(&plan, LIST_SETTLE, 0);
	plan_pointers(&plan, hook->args, pointers);
	OK(hook->args.count == 2 && strcmp(pointers[0], "/a/b") == 0, "with the path in its place");
	OK(strcmp(pointers[1], "name=first") == 0, "and the text");
	OK(strcmp(plan_str(&plan, plan_header(&plan)->state_json), "first") == 0, "also in the state");
}

static void test_words(void)
{
	struct entry_slot *slots;

	rebuild();
	slots = (struct entry_slot *)(void *)(build.bytes + entry_header_of(&build)->slots.first);
	slots[1].kind = CLASS_WORD;
	reseal();
	OK(opens() && matches("bundle /a\n{\"hostname\":\"aZ_09\"}\n"), "a word is letters, digits and _");
	OK(!matches("bundle /a\n{\"hostname\":\"a-b\"}\n") && !matches("bundle /a\n{\"hostname\":\"a.b\"}\n") &&
			!matches("bundle /a\n{\"hostname\":\"\"}\n"),
		"and nothing else");
}

static void test_refused_values(void)
{
	static const char *const questions[] = {
		"bundle /a\n{\"hostname\":\"\"}\n",
		"bundle /a\n{\"hostname\":\"123456789\"}\n",
		"bundle /a\n{\"hostname\":\"a\\\"b\"}\n",
		"bundle /a\n{\"hostname\":\"a\\u0062\"}\n",
		"bundle /a\n{\"hostname\":\"a\tb\"}\n",
		"bundle /a\n{\"hostname\":\"\303\244\"}\n",
		"bundle /a\n{\"hostname\":\"a\"} \n",
		"bundle /a\n{\"hostname\":\"a\"}",
		"bundle a\n{\"hostname\":\"a\"}\n",
		"bundle /\n{\"hostname\":\"a\"}\n",
		"bundle /a/\n{\"hostname\":\"a\"}\n",
		"bundle //a\n{\"hostname\":\"a\"}\n",
		"bundle /a/../b\n{\"hostname\":\"a\"}\n",
		"bundle /a/.\n{\"hostname\":\"a\"}\n",
		"bundle /a b\n{\"hostname\":\"a\"}\n",
		"bundle /other\n{\"hostname\":\"a\"}\n",
		"bundle /other/a\n{\"hostname\":\"a\"}\n",
		"",
	};
	size_t refused = 0;

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		refused += !matches(questions[i]);
	OK(refused == sizeof(questions) / sizeof(questions[0]), "entry_match() refuses what is in no class");
	OK(matches("bundle /others\n{\"hostname\":\"a\"}\n"), "a name that begins like the other is not below it");
}

/* With a checksum that fits, so that the other checks have to find it. */
static bool survives(size_t at, uint32_t value)
{
	rebuild();
	memcpy(build.bytes + at, &value, sizeof(value));
	reseal();
	return opens();
}

static void test_damage(void)
{
	static const uint32_t hostile[] = { 1, 0x7fffffff, 0xfffffff8, 0xffffffff };
	size_t accepted = 0;

	rebuild();
	for (size_t cut = 0; cut < size; cut++)
		accepted += entry_open(build.bytes, cut, &entry) == 0;
	OK(accepted == 0, "entry_open() refuses an entry cut at any byte");
	for (size_t at = 24; at < size; at++) {
		build.bytes[at] ^= 1;
		accepted += opens();
		build.bytes[at] ^= 1;
	}
	OK(accepted == 0, "and one with any byte changed, by its checksum");
	build.bytes[16] ^= 1;
	OK(opens(), "but for the count of hits");
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		for (size_t at = offsetof(struct entry_header, literals); at < offsetof(struct entry_header, label);
			at += 4)
			accepted += survives(at, hostile[i]) && hostile[i] != 1;
	}
	OK(accepted == 0, "offsets and counts of the header that lead out of the entry are refused");
}

static void test_fresh(void)
{
	struct entry_file file = { .ino = 1 };
	const char path[] = "/proc/self/exe";

	rebuild();
	entry_header_of(&build)->files.count = 1;
	file.path = (struct entry_span){ entry_header_of(&build)->literals.count, sizeof(path) };
	memcpy(build.bytes + entry_header_of(&build)->pool.first + file.path.at, path, sizeof(path));
	memcpy(build.bytes + entry_header_of(&build)->files.first, &file, sizeof(file));
	reseal();
	OK(opens() && !entry_is_fresh(&entry), "an entry of another program is a stale one");
	rebuild();
	OK(opens() && entry_is_fresh(&entry), "one that names no file is fresh");
}

int main(void)
{
	test_match();
	test_words();
	test_refused_values();
	test_damage();
	test_fresh();
	return tap_done();
}
