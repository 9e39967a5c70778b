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
static ssize_t read_config(const char *bundle, char *buffer, size_t room)
{
	cleanup_fd int fd = -1;
	char path[PATH_MAX];
	struct stat st;
	ssize_t size;

	if (snprintf(path, sizeof(path), "%s/config.json", bundle) >= (int)sizeof(path))
		return -1;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	size = read_upto(fd, buffer, room);
	return (size_t)size == room ? -1 : size;
}

static void describe_options(struct growing *text, const struct question_options *options)
{
	grow(text, "tsrun-cache %u\nhome %s\n", ENTRY_VERSION, options->home);
	grow(text, "no-pivot %d\nno-new-keyring %d\n", options->no_pivot, options->no_new_keyring);
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
	describe_options(&head, options);
	if (host_describe(&head) < 0)
		return -1;
	shared = (struct text){ head.at, head.size };
	grow(&head, "bundle %s\n\n", options->bundle);
	config = head.full ? -1 : read_config(options->bundle, head.at + head.size, room - head.size);
	if (config < 0)
		return -1;
	ret_question->text = (struct text){ head.at, head.size + (size_t)config };
	ret_question->shape =
		mix_structure(mix_all(FNV_START, shared), (struct text){ head.at + head.size, (size_t)config });
	return 0;
}
