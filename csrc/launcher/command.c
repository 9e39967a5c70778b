/* The plain forms of the command line: see command.h. */
#include "command.h"

#include <ctype.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define LAST_SIGNAL 64

/* Of the generic Linux ABI, from 1 on. */
static const char *const SIGNAL_NAMES[] = { "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1",
	"SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU",
	"XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS" };

enum kind {
	SWITCH,
	TEXT,
	IGNORED_SWITCH, /* means nothing to the verbs that are carried out here */
	LOG_FORMAT,	/* checked, and used by whoever logs */
	LIST_FORMAT,
	ROOTLESS,
	NUMBER,
};

/* Go's flag package, as runc has it: one dash or two make no difference. A letter has a row of its own. */
struct flag {
	const char *name;
	enum kind kind;
	size_t offset; /* in struct command */
};

struct verb {
	const char *name;
	const struct flag *flags;
};

#define AT(member) offsetof(struct command, member)

static const struct flag GLOBAL_FLAGS[] = {
	{ "root", TEXT, AT(args.root) },
	{ "log", TEXT, AT(log) },
	{ "log-format", LOG_FORMAT, 0 },
	{ "rootless", ROOTLESS, AT(rootless) },
	{ "systemd-cgroup", SWITCH, AT(systemd_cgroup) },
	{ 0 },
};

static const struct flag NO_FLAGS[] = { { 0 } };
static const struct flag KILL_FLAGS[] = { { "all", SWITCH, AT(args.all) }, { "a", SWITCH, AT(args.all) }, { 0 } };
static const struct flag DELETE_FLAGS[] = {
	{ "force", SWITCH, AT(args.force) },
	{ "f", SWITCH, AT(args.force) },
	{ 0 },
};

static const struct flag LIST_FLAGS[] = {
	{ "format", LIST_FORMAT, AT(args.format) },
	{ "f", LIST_FORMAT, AT(args.format) },
	{ "quiet", SWITCH, AT(args.quiet) },
	{ "q", SWITCH, AT(args.quiet) },
	{ 0 },
};

/* The table is made of what ps(1) prints: src/runtime/ps.ts. */
static const struct flag PS_FLAGS[] = {
	{ "format", LIST_FORMAT, AT(args.format) },
	{ "f", LIST_FORMAT, AT(args.format) },
	{ 0 },
};

static const struct flag EXEC_FLAGS[] = {
	{ "detach", SWITCH, AT(detach) },
	{ "d", SWITCH, AT(detach) },
	{ "pid-file", TEXT, AT(args.pid_file) },
	{ "process", TEXT, AT(process) },
	{ "p", TEXT, AT(process) },
	{ "console-socket", TEXT, AT(args.console_socket) },
	{ 0 },
};

static const struct flag CREATE_FLAGS[] = {
	{ "bundle", TEXT, AT(bundle) },
	{ "b", TEXT, AT(bundle) },
	{ "pid-file", TEXT, AT(args.pid_file) },
	{ "console-socket", TEXT, AT(args.console_socket) },
	{ "preserve-fds", NUMBER, AT(args.preserve_fds) },
	{ "no-pivot", SWITCH, AT(no_pivot) },
	{ "no-new-keyring", SWITCH, AT(no_new_keyring) },
	{ 0 },
};

static const struct flag RUN_FLAGS[] = {
	{ "bundle", TEXT, AT(bundle) },
	{ "b", TEXT, AT(bundle) },
	{ "pid-file", TEXT, AT(args.pid_file) },
	{ "console-socket", TEXT, AT(args.console_socket) },
	{ "preserve-fds", NUMBER, AT(args.preserve_fds) },
	{ "no-pivot", SWITCH, AT(no_pivot) },
	{ "no-new-keyring", SWITCH, AT(no_new_keyring) },
	{ "detach", SWITCH, AT(detach) },
	{ "d", SWITCH, AT(detach) },
	{ "keep", SWITCH, AT(args.keep) },
	{ "no-subreaper", IGNORED_SWITCH, 0 },
	{ 0 },
};

static const struct verb VERBS[] = {
	{ "create", CREATE_FLAGS },
	{ "run", RUN_FLAGS },
	{ "start", NO_FLAGS },
	{ "kill", KILL_FLAGS },
	{ "state", NO_FLAGS },
	{ "delete", DELETE_FLAGS },
	{ "exec", EXEC_FLAGS },
	{ "pause", NO_FLAGS },
	{ "resume", NO_FLAGS },
	{ "list", LIST_FLAGS },
	{ "ps", PS_FLAGS },
};

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

/* A descriptor's number at most. */
static bool take_number(const char *text, int *ret_number)
{
	size_t length = strspn(text, "0123456789");

	*ret_number = atoi(text);
	return length > 0 && length <= 4 && text[length] == '\0';
}

static bool take(const struct flag *flag, const char *value, struct command *command)
{
	static const char *const formats[] = { "text", "json", NULL };
	static const char *const layouts[] = { "table", "json", NULL };
	static const char *const choices[] = { "true", "false", "auto", NULL };
	void *field = (char *)command + flag->offset;

	switch (flag->kind) {
	case LOG_FORMAT:
		return is_one_of(value, formats);
	case LIST_FORMAT:
		*(const char **)field = value;
		return is_one_of(value, layouts);
	case ROOTLESS:
		*(const char **)field = value;
		return is_one_of(value, choices);
	case TEXT:
		*(const char **)field = value;
		return *value != '\0';
	case NUMBER:
		return take_number(value, field);
	case SWITCH:
		*(bool *)field = true;
		return true;
	default:
		return true;
	}
}

/* Moves *argv to the first argument that is no option. */
static bool parse_options(char ***argv, const struct flag *flags, struct command *command)
{
	for (; **argv != NULL && (**argv)[0] == '-' && (**argv)[1] != '\0'; (*argv)++) {
		const char *name = **argv + ((**argv)[1] == '-' ? 2 : 1);
		size_t length = strcspn(name, "=");
		const char *value = name[length] == '=' ? name + length + 1 : NULL;
		const struct flag *flag = flags;
		bool is_switch;

		while (flag->name != NULL && (strncmp(flag->name, name, length) != 0 || flag->name[length] != '\0'))
			flag++;
		if (flag->name == NULL)
			return false;
		is_switch = flag->kind == SWITCH || flag->kind == IGNORED_SWITCH;
		if (is_switch && value != NULL)
			return false;
		if (!is_switch && value == NULL)
			value = *++*argv;
		if ((!is_switch && value == NULL) || !take(flag, value, command))
			return false;
	}
	return true;
}

bool is_plain_path(const char *path)
{
	bool named = false;

	if (*path != '/')
		return false;
	for (const char *at = path; *at != '\0';) {
		size_t length = strcspn(at, "/");

		if ((length == 1 && at[0] == '.') || (length == 2 && at[0] == '.' && at[1] == '.'))
			return false;
		named = named || length > 0;
		at += length + (at[length] == '/' ? 1 : 0);
	}
	return named;
}

int signal_number(const char *text)
{
	char *end;
	long number;

	if (isdigit((unsigned char)*text)) {
		number = strtol(text, &end, 10);
		return *end == '\0' && end - text <= 2 && number <= LAST_SIGNAL ? (int)number : -1;
	}
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (int i = 0; i < (int)(sizeof(SIGNAL_NAMES) / sizeof(SIGNAL_NAMES[0])); i++)
		if (strcasecmp(text, SIGNAL_NAMES[i]) == 0)
			return i + 1;
	return -1;
}

/* Node says whether other bytes are UTF-8. */
static bool is_ascii(char **argv)
{
	for (; *argv != NULL; argv++)
		for (const char *at = *argv; *at != '\0'; at++)
			if (!isascii((unsigned char)*at))
				return false;
	return true;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(VERBS) / sizeof(VERBS[0]); i++)
		if (strcmp(VERBS[i].name, name) == 0)
			return &VERBS[i];
	return NULL;
}

/* A program, or a file that says all about it and may ask for a terminal. */
static bool parse_exec(char **argv, struct command *command)
{
	const char *socket = command->args.console_socket;

	if (command->process != NULL)
		return *argv == NULL && is_plain_path(command->process) && (socket == NULL || is_plain_path(socket));
	command->args.rest = argv;
	return *argv != NULL && socket == NULL;
}

/* What follows the options: ID, for kill a signal, for exec a program with its arguments. */
static bool parse_operands(char **argv, struct command *command)
{
	if (strcmp(command->name, "list") == 0)
		return *argv == NULL;
	if (*argv == NULL || !is_container_id(*argv))
		return false;
	command->args.id = *argv++;
	if (strcmp(command->name, "exec") == 0)
		return parse_exec(argv, command);
	if (strcmp(command->name, "ps") == 0 &&
		(command->args.format == NULL || strcmp(command->args.format, "json") != 0))
		return false;
	if (strcmp(command->name, "kill") == 0) {
		command->args.signal = *argv == NULL ? SIGTERM : signal_number(*argv++);
		if (command->args.signal < 0)
			return false;
	}
	return *argv == NULL;
}

bool command_parse(char **argv, struct command *ret_command)
{
	struct command command = { .args = args_none() };
	char **first = argv;
	const struct verb *verb;

	if (*argv == NULL || !is_ascii(argv))
		return false;
	argv++;
	if (!parse_options(&argv, GLOBAL_FLAGS, &command) || *argv == NULL)
		return false;
	command.verb_at = (size_t)(argv - first);
	verb = find_verb(*argv++);
	if (verb == NULL || !parse_options(&argv, verb->flags, &command))
		return false;
	command.name = verb->name;
	if (!parse_operands(argv, &command))
		return false;
	if (command.args.pid_file != NULL && !is_plain_path(command.args.pid_file))
		return false;
	*ret_command = command;
	return true;
}
