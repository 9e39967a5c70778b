/* The executor's own command line: see args.h. */
#include "args.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind {
	TEXT,
	NUMBER,
	SWITCH,
};

struct flag {
	const char *name;
	enum kind kind;
	size_t offset; /* in struct args */
};

#define AT(member) offsetof(struct args, member)

static const struct flag FLAGS[] = {
	{ "--root", TEXT, AT(root) },
	{ "--id", TEXT, AT(id) },
	{ "--pid-file", TEXT, AT(pid_file) },
	{ "--console-socket", TEXT, AT(console_socket) },
	{ "--exit-file", TEXT, AT(exit_file) },
	{ "--keep", SWITCH, AT(keep) },
	{ "--notify-socket", TEXT, AT(notify_socket) },
	{ "--notify-fd", NUMBER, AT(notify_fd) },
	{ "--plan-fd", NUMBER, AT(plan_fd) },
	{ "--status-fd", NUMBER, AT(status_fd) },
	{ "--console-fd", NUMBER, AT(console_fd) },
	{ "--onlcr", SWITCH, AT(onlcr) },
	{ "--adopt-fd", NUMBER, AT(adopt_fd) },
	{ "--trace-fd", NUMBER, AT(trace_fd) },
	{ "--preserve-fds", NUMBER, AT(preserve_fds) },
	{ "--signal", NUMBER, AT(signal) },
	{ "--pid", NUMBER, AT(pid) },
	{ "--force", SWITCH, AT(force) },
	{ "--all", SWITCH, AT(all) },
	{ "--ignore-paused", SWITCH, AT(ignore_paused) },
	{ "--format", TEXT, AT(format) },
	{ "--quiet", SWITCH, AT(quiet) },
	{ "--damaged", SWITCH, AT(damaged) },
};

#define FLAG_COUNT (sizeof(FLAGS) / sizeof(FLAGS[0]))

_Static_assert(FLAG_COUNT <= ARGS_FLAGS, "room in struct args_words");

static void *value_of(const struct flag *flag, const struct args *args)
{
	return (char *)(uintptr_t)args + flag->offset;
}

static int parse_number(const char *text, int *ret_number)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || number < 0 || number > INT_MAX)
		return -1;
	*ret_number = (int)number;
	return 0;
}

static int take(const struct flag *flag, char **argv, int *at, struct args *args)
{
	void *value = value_of(flag, args);

	if (flag->kind == SWITCH) {
		*(bool *)value = true;
		return 0;
	}
	if (argv[++*at] == NULL)
		return -1;
	if (flag->kind == NUMBER)
		return parse_number(argv[*at], value);
	*(const char **)value = argv[*at];
	return 0;
}

struct args args_none(void)
{
	return (struct args){
		.plan_fd = -1, .status_fd = -1, .console_fd = -1, .adopt_fd = -1, .notify_fd = -1, .trace_fd = -1
	};
}

int args_parse(int argc, char **argv, struct args *ret_args)
{
	struct args args = args_none();

	for (int at = 2; at < argc; at++) {
		size_t i = 0;

		if (strcmp(argv[at], "--") == 0) {
			args.rest = argv + at + 1;
			break;
		}
		while (i < FLAG_COUNT && strcmp(argv[at], FLAGS[i].name) != 0)
			i++;
		if (i == FLAG_COUNT || take(&FLAGS[i], argv, &at, &args) < 0)
			return -1;
	}
	*ret_args = args;
	return 0;
}

bool is_container_id(const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || length > NAME_MAX || *text == '.' || *text == '-')
		return false;
	for (; *text != '\0'; text++)
		if (!isalnum((unsigned char)*text) && strchr("_+.-", *text) == NULL)
			return false;
	return true;
}

/* What is as in args_none() is left out. */
static bool is_given(const struct flag *flag, const struct args *args)
{
	struct args none = args_none();

	if (flag->kind == SWITCH)
		return *(bool *)value_of(flag, args);
	if (flag->kind == TEXT)
		return *(char **)value_of(flag, args) != NULL;
	return *(int *)value_of(flag, args) != *(int *)value_of(flag, &none);
}

size_t args_format(const char *verb, const struct args *args, struct args_words *ret)
{
	size_t count = 0;

	ret->words[count++] = EXECUTOR_NAME;
	ret->words[count++] = verb;
	for (size_t i = 0; i < FLAG_COUNT; i++) {
		const struct flag *flag = &FLAGS[i];

		if (!is_given(flag, args))
			continue;
		ret->words[count++] = flag->name;
		if (flag->kind == TEXT)
			ret->words[count++] = *(char **)value_of(flag, args);
		if (flag->kind != NUMBER)
			continue;
		(void)snprintf(ret->numbers[i], sizeof(ret->numbers[i]), "%d", *(int *)value_of(flag, args));
		ret->words[count++] = ret->numbers[i];
	}
	return count;
}
