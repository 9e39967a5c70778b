/* The executor's own command line: see args.h. */
#include "args.h"

#include <errno.h>
#include <limits.h>
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
	void *value;
};

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

static int take(const struct flag *flag, char **argv, int *at)
{
	if (flag->kind == SWITCH) {
		*(bool *)flag->value = true;
		return 0;
	}
	if (argv[++*at] == NULL)
		return -1;
	if (flag->kind == NUMBER)
		return parse_number(argv[*at], flag->value);
	*(const char **)flag->value = argv[*at];
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
	const struct flag flags[] = {
		{ "--root", TEXT, &args.root },
		{ "--id", TEXT, &args.id },
		{ "--pid-file", TEXT, &args.pid_file },
		{ "--console-socket", TEXT, &args.console_socket },
		{ "--exit-file", TEXT, &args.exit_file },
		{ "--keep", SWITCH, &args.keep },
		{ "--notify-socket", TEXT, &args.notify_socket },
		{ "--notify-fd", NUMBER, &args.notify_fd },
		{ "--plan-fd", NUMBER, &args.plan_fd },
		{ "--status-fd", NUMBER, &args.status_fd },
		{ "--console-fd", NUMBER, &args.console_fd },
		{ "--adopt-fd", NUMBER, &args.adopt_fd },
		{ "--trace-fd", NUMBER, &args.trace_fd },
		{ "--preserve-fds", NUMBER, &args.preserve_fds },
		{ "--signal", NUMBER, &args.signal },
		{ "--pid", NUMBER, &args.pid },
		{ "--force", SWITCH, &args.force },
		{ "--all", SWITCH, &args.all },
		{ "--ignore-paused", SWITCH, &args.ignore_paused },
		{ "--damaged", SWITCH, &args.damaged },
	};
	const size_t count = sizeof(flags) / sizeof(flags[0]);

	for (int at = 2; at < argc; at++) {
		size_t i = 0;

		if (strcmp(argv[at], "--") == 0) {
			args.reporter = argv + at + 1;
			break;
		}
		while (i < count && strcmp(argv[at], flags[i].name) != 0)
			i++;
		if (i == count || take(&flags[i], argv, &at) < 0)
			return -1;
	}
	*ret_args = args;
	return 0;
}
