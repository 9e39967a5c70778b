/* The question to the plan cache: see question.h. */
#include "question.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "host.h"
#include "io.h"

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

/* As src/runtime/bundle.ts reads it: a regular file. The size, or -1. */
static ssize_t read_document(const struct question_options *options, char *buffer, size_t room)
{
	cleanup_fd int fd = -1;
	char path[PATH_MAX];
	struct stat st;
	ssize_t size;
	int length = options->process != NULL ? snprintf(path, sizeof(path), "%s", options->process)
					      : snprintf(path, sizeof(path), "%s/config.json", options->bundle);

	if (length >= (int)sizeof(path))
		return -1;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	size = read_upto(fd, buffer, room);
	return (size_t)size == room ? -1 : size;
}

/* A file of the state directory that is written anew, and never changed. */
static int describe_record(struct growing *text, const struct question_options *options, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/%s/%s", options->root, options->id, name) >= (int)sizeof(path) ||
		lstat(path, &st) < 0)
		return -1;
	grow(text, "%s %llu %llu %lld %lld.%09ld %lld.%09ld\n", path, (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino, (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		(long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	return 0;
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
	/* What src/runtime/container.ts reads. */
	return describe_record(text, options, "plan") < 0 || describe_record(text, options, "state.json") < 0 ? -1 : 0;
}

int question_ask(const struct question_options *options, struct question *ret_question)
{
	size_t room = HEAD_MAX + CONFIG_MAX;
	void *memory = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct growing head = { .at = memory, .room = HEAD_MAX };
	struct text shared;
	ssize_t config;

	if (memory == MAP_FAILED)
		return -1;
	if (describe_options(&head, options) < 0 || host_describe(&head) < 0)
		return -1;
	shared = (struct text){ head.at, head.size };
	if (options->process != NULL)
		grow(&head, "process %s\n\n", options->process);
	else
		grow(&head, "bundle %s\n\n", options->bundle);
	config = head.full ? -1 : read_document(options, head.at + head.size, room - head.size);
	if (config < 0)
		return -1;
	ret_question->text = (struct text){ head.at, head.size + (size_t)config };
	ret_question->shape =
		mix_structure(mix_all(FNV_START, shared), (struct text){ head.at + head.size, (size_t)config });
	return 0;
}
