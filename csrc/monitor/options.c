/* The monitor's command line: see options.h. */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, SWITCH, NUMBER, SIZE };

struct flag {
	const char *name;
	enum kind kind;
	size_t offset;
};

static const struct flag FLAGS[] = {
	{ "--directory", TEXT, offsetof(struct options, directory) },
	{ "--open-stdin", SWITCH, offsetof(struct options, open_stdin) },
	{ "--stdin-once", SWITCH, offsetof(struct options, stdin_once) },
	{ "--terminal", SWITCH, offsetof(struct options, terminal) },
	{ "--await-client", SWITCH, offsetof(struct options, await_client) },
	{ "--log-json", TEXT, offsetof(struct options, log_json) },
	{ "--log-local", TEXT, offsetof(struct options, log_local) },
	{ "--log-journal", TEXT, offsetof(struct options, log_journal) },
	{ "--attributes", TEXT, offsetof(struct options, attributes) },
	{ "--fields", TEXT, offsetof(struct options, fields) },
	{ "--max-size", SIZE, offsetof(struct options, max_size) },
	{ "--max-files", NUMBER, offsetof(struct options, max_files) },
	{ "--buffer-size", SIZE, offsetof(struct options, buffer_size) },
};

static const struct flag *find(const char *name)
{
	for (size_t i = 0; i < sizeof(FLAGS) / sizeof(FLAGS[0]); i++)
		if (strcmp(FLAGS[i].name, name) == 0)
			return &FLAGS[i];
	return NULL;
}

static int number(const char *text, uint64_t max, uint64_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	return *text < '0' || *text > '9' || *end != '\0' || errno != 0 || *ret_number > max ? -1 : 0;
}

static int set(struct options *options, const struct flag *flag, char *value)
{
	void *field = (char *)options + flag->offset;
	uint64_t parsed;

	switch (flag->kind) {
	case TEXT:
		*(const char **)field = value;
		return 0;
	case NUMBER:
		if (number(value, INT_MAX, &parsed) < 0)
			return -1;
		*(int *)field = (int)parsed;
		return 0;
	default:
		if (number(value, INT64_MAX, &parsed) < 0)
			return -1;
		*(uint64_t *)field = parsed;
		return 0;
	}
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
	int at = 1;

	*ret_options = (struct options){ .max_files = 1 };
	for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
		const struct flag *flag = find(argv[at]);

		if (flag == NULL)
			return -1;
		if (flag->kind == SWITCH)
			*(bool *)((char *)ret_options + flag->offset) = true;
		else if (++at >= argc || set(ret_options, flag, argv[at]) < 0)
			return -1;
	}
	if (at + 1 >= argc || ret_options->directory == NULL || ret_options->max_files == 0)
		return -1;
	ret_options->command = argv + at + 1;
	return 0;
}
