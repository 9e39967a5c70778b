/*
 * The program inside the container. Each argument is an action, "verb|field|field"; for each it writes one
 * line of JSON to stdout, in order, and {"end":true} behind the last. Actions that do not return (wait,
 * signals, exit) come last. It needs nothing of the root file system: it is static and reads /proc only
 * where an action says so.
 *   probe ACTION...            inside a container
 *   probe hook LOG LABEL [fail|hang|leave]   as a hook; LOG is a file
 *   probe hold|console|seccomp …             helpers on the host: see host.c
 */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"

int probe_argc;
char **probe_argv;

static void split(char *text, struct action *ret_action)
{
	ret_action->count = 0;
	for (char *field; ret_action->count < 12 && (field = strsep(&text, "|")) != NULL;)
		ret_action->field[ret_action->count++] = field;
	for (int i = ret_action->count; i < 12; i++)
		ret_action->field[i] = (char *)"";
}

static void on_term(int signal)
{
	(void)signal;
	_exit(0);
}

/* The first process of a pid namespace gets no signal that it has no handler for: pid_namespaces(7). */
static void wait_for_term(void)
{
	signal(SIGTERM, on_term);
	json_begin();
	json_key("end");
	json_string("waiting");
	json_end(STDOUT_FILENO);
	for (;;)
		pause();
}

/* A line for each signal; SIGTERM is the last. */
static void report_signals(void)
{
	sigset_t all;
	siginfo_t info;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	json_begin();
	json_pair("end", "signals");
	json_end(STDOUT_FILENO);
	for (int number = 0; number != SIGTERM;) {
		number = sigwaitinfo(&all, &info);
		json_begin();
		json_pair_number("signal", number);
		json_end(STDOUT_FILENO);
	}
	_exit(0);
}

static void perform(const struct action *action)
{
	const char *verb = action->field[0];

	if (strcmp(verb, "exit") == 0)
		_exit(atoi(action->field[1]));
	if (strcmp(verb, "die") == 0)
		raise(atoi(action->field[1]));
	if (strcmp(verb, "wait") == 0)
		wait_for_term();
	if (strcmp(verb, "signals") == 0)
		report_signals();
	if (strcmp(verb, "log") == 0)
		log_call(action->field[1], action->field[2], NULL, NULL, "");
	json_begin();
	if (strcmp(verb, "log") == 0)
		json_pair("logged", action->field[2]);
	else if (act_files(action) < 0 && act_process(action) < 0)
		json_pair("unknown", verb);
	json_end(STDOUT_FILENO);
}

static int perform_all(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct action action;
		char *copy = strdup(argv[i]);

		if (copy == NULL)
			return 8;
		split(copy, &action);
		perform(&action);
	}
	json_begin();
	json_pair("end", "done");
	json_end(STDOUT_FILENO);
	return 0;
}

int main(int argc, char **argv, char **env)
{
	probe_argc = argc;
	probe_argv = argv;
	if (argc > 1 && strcmp(argv[1], "hook") == 0)
		return hook_main(argc, argv, env);
	if (argc > 1 && strcmp(argv[1], "hold") == 0)
		return host_hold(argc, argv);
	if (argc > 1 && strcmp(argv[1], "console") == 0)
		return host_console(argc, argv);
	if (argc > 1 && strcmp(argv[1], "seccomp") == 0)
		return host_seccomp(argc, argv);
	return perform_all(argc, argv);
}
