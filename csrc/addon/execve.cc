/*
 * execve(path, argv, envp, keep): becomes another program, execve(2). The descriptors of keep lose their
 * close-on-exec flag; everything else that Node opened has it from birth.
 */
#include "values.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <unistd.h>

/*
 * Node marks stdio close-on-exec at its start. O_NONBLOCK lives in the file description, which whoever started us may
 * share: it goes back to what it was.
 */
static int stdio_flags[3];

static void remember_stdio()
{
	for (int fd = 0; fd < 3; fd++)
		stdio_flags[fd] = fcntl(fd, F_GETFL);
}

static void restore_stdio()
{
	for (int fd = 0; fd < 3; fd++) {
		if (stdio_flags[fd] < 0)
			continue;
		fcntl(fd, F_SETFL, stdio_flags[fd]);
		fcntl(fd, F_SETFD, 0);
	}
}

/*
 * Node ignores SIGPIPE and SIGXFSZ, and ignored signals and the mask survive execve: the new program must not
 * inherit them. Node itself starts by resetting all the others, so the caller's dispositions are gone either way.
 */
static void restore_signals()
{
	sigset_t none;

	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			signal(sig, SIG_DFL);
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

static Napi::Value exec_in_place(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();

	if (!info[1].IsArray() || !info[2].IsArray() || !info[3].IsArray())
		return throw_type(env, "execve(path: string, argv: string[], envp: string[], keep: number[])");
	std::string path = string_at(info, 0);
	std::vector<std::string> args = to_strings(info[1].As<Napi::Array>());
	std::vector<std::string> variables = to_strings(info[2].As<Napi::Array>());
	std::vector<char *> argv = to_pointers(args);
	std::vector<char *> envp = to_pointers(variables);

	for (int fd : to_ints(info[3].As<Napi::Array>()))
		if (fcntl(fd, F_SETFD, 0) < 0)
			return throw_errno(env, "fcntl", errno);
	if (access(path.c_str(), X_OK) < 0)
		return throw_errno(env, "execve", errno);
	restore_stdio();
	restore_signals();
	execve(path.c_str(), argv.data(), envp.data());
	return throw_errno(env, "execve", errno);
}

void register_execve(Napi::Env env, Napi::Object exports)
{
	remember_stdio();
	exports.Set("execve", Napi::Function::New(env, exec_in_place, "execve"));
}
