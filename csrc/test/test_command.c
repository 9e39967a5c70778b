/* The launcher's command line: what it carries out, and that all else is left to Node. */
#include <signal.h>

#include "command.h"
#include "tap.h"

#define WORDS(...)                         \
	(char *[])                         \
	{                                  \
		"tsrun", __VA_ARGS__, NULL \
	}

static struct command command;

static bool understood(char **argv)
{
	memset(&command, 0, sizeof(command));
	return command_parse(argv, &command);
}

static void test_verbs(void)
{
	OK(understood(WORDS("start", "a")) && strcmp(command.name, "start") == 0 && strcmp(command.args.id, "a") == 0,
		"start");
	OK(understood(WORDS("kill", "a")) && command.args.signal == SIGTERM && !command.args.all,
		"kill without signal");
	OK(understood(WORDS("kill", "-a", "a", "SIGKILL")) && command.args.signal == SIGKILL && command.args.all,
		"kill --all");
	OK(understood(WORDS("delete", "--force", "a")) && command.args.force, "delete --force");
	OK(understood(WORDS("exec", "-d", "--pid-file=/p", "a", "sh", "-c", "--root")) && command.detach &&
			strcmp(command.args.pid_file, "/p") == 0 && strcmp(command.args.rest[2], "--root") == 0,
		"exec takes its options before the id only");
	OK(understood(WORDS("exec", "--process", "/p", "--detach", "--console-socket", "/s", "a")) &&
			strcmp(command.process, "/p") == 0 && !understood(WORDS("exec", "-p", "/p", "a", "sh")) &&
			!understood(WORDS("exec", "-p", "p", "a")) &&
			!understood(WORDS("exec", "--console-socket", "/s", "a", "sh")),
		"exec of a process in a file");
	OK(!understood(WORDS("exec", "a")) && !understood(WORDS("exec", "--tty", "a", "sh")) &&
			!understood(WORDS("exec", "--pid-file", "relative", "a", "sh")),
		"other forms of exec are left to Node");
	OK(understood(WORDS("create", "--bundle", "/b", "a")) && understood(WORDS("run", "-d", "a")) && command.detach,
		"create and run, of which a plan may be kept");
	OK(!understood(WORDS("update", "a")) && !understood(WORDS("starts", "a")) && !understood(WORDS("")) &&
			!understood((char *[]){ "tsrun", NULL }) && !understood((char *[]){ NULL }),
		"so are other commands, and none");
	OK(understood(WORDS("ps", "--format", "json", "a")) && !understood(WORDS("ps", "a")) &&
			!understood(WORDS("ps", "--format=table", "a")) &&
			!understood(WORDS("ps", "-f", "json", "a", "-ef")),
		"ps as pids; its table is of Node");
	OK(!understood(WORDS("start")) && !understood(WORDS("start", "a", "b")) &&
			!understood(WORDS("kill", "a", "TERM", "b")),
		"and the wrong number of arguments");
}

static void test_globals(void)
{
	OK(understood(WORDS("--root", "/r", "-log=/l", "--log-format", "json", "--systemd-cgroup", "--rootless=auto",
		   "state", "a")) &&
			strcmp(command.args.root, "/r") == 0 && strcmp(command.log, "/l") == 0,
		"what engines give");
	OK(understood(WORDS("--root", "/1", "--root", "--x", "state", "a")) && strcmp(command.args.root, "--x") == 0,
		"the last of an option counts, and a value may look like one");
	OK(!understood(WORDS("--debug", "state", "a")) && !understood(WORDS("--log-format=xml", "state", "a")) &&
			!understood(WORDS("--rootless", "yes", "state", "a")) &&
			!understood(WORDS("--systemd-cgroup=true", "state", "a")) &&
			!understood(WORDS("--root=", "state", "a")) && !understood(WORDS("--root")) &&
			!understood(WORDS("--", "state", "a")) && !understood(WORDS("-", "state", "a")) &&
			!understood(WORDS("---root", "/r", "state", "a")) &&
			!understood(WORDS("--roo", "/r", "state", "a")) && !understood(WORDS("state", "-h", "a")),
		"what is unusual or wrong is left to Node");
	OK(!understood(WORDS("state", "\xc3\xa4")) && !understood(WORDS("exec", "a", "\xff")),
		"so is what is not ASCII");
}

static void test_values(void)
{
	char longest[257];

	memset(longest, 'a', sizeof(longest));
	longest[256] = '\0';
	OK(!is_container_id(longest) && is_container_id(longest + 1), "an id has at most 255 characters");
	OK(is_container_id("a.-_+9") && !is_container_id("") && !is_container_id(".a") && !is_container_id("-a") &&
			!is_container_id("a/b") && !is_container_id(".."),
		"an id is one plain path component");
	OK(is_plain_path("/a/.b//c/") && !is_plain_path("/") && !is_plain_path("//") && !is_plain_path("a") &&
			!is_plain_path("") && !is_plain_path("/a/../b") && !is_plain_path("/a/..") &&
			!is_plain_path("/./a"),
		"a path is plain when nothing in it is to be resolved");
	OK(signal_number("TERM") == SIGTERM && signal_number("sigkill") == SIGKILL && signal_number("0") == 0 &&
			signal_number("64") == 64 && signal_number("STKFLT") == SIGSTKFLT,
		"signals by name and number");
	OK(signal_number("65") < 0 && signal_number("007") < 0 && signal_number("9x") < 0 && signal_number("-9") < 0 &&
			signal_number("") < 0 && signal_number("SIG") < 0 && signal_number("RTMIN+1") < 0,
		"others are left to Node");
}

int main(void)
{
	test_verbs();
	test_globals();
	test_values();
	return tap_done();
}
