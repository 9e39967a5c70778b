/*
 * Network namespaces, network_namespaces(7): createNetns(path) makes one and binds it on a file; unmount(path);
 * openInNetns and socketInNetns open something as a process of a namespace sees it; bindSocket(fd, address, port).
 *
 * A descriptor stays in the namespace it was opened in, whoever uses it. So a thread that lives for one call goes there
 * and opens it, and no other thread of Node ever leaves its own namespace.
 */
#include "values.h"

#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a thread did: the value, or the call that failed and its errno. */
struct outcome {
	int value = -1;
	const char *syscall = nullptr;
	int error = 0;
};

static int failed(struct outcome *outcome, const char *syscall, int error)
{
	outcome->syscall = syscall;
	outcome->error = error;
	return -1;
}

using Work = std::function<void(struct outcome *)>;

struct job {
	const Work *work;
	struct outcome outcome;
};

static void *run_job(void *argument)
{
	struct job *job = static_cast<struct job *>(argument);

	(*job->work)(&job->outcome);
	return nullptr;
}

/* Signals are blocked in the thread: a handler of Node's must not run in a foreign namespace. */
static struct outcome in_thread(const Work &work)
{
	struct job job = { &work, {} };
	pthread_t thread;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread, nullptr, run_job, &job);
	pthread_sigmask(SIG_SETMASK, &before, nullptr);
	if (error)
		failed(&job.outcome, "pthread_create", error);
	else
		pthread_join(thread, nullptr);
	return job.outcome;
}

static Napi::Value to_value(Napi::Env env, const struct outcome &outcome)
{
	if (outcome.syscall)
		return throw_errno(env, outcome.syscall, outcome.error);
	return Napi::Number::New(env, outcome.value);
}

/* The empty path is the namespace of this process. */
static int enter(const std::string &path, struct outcome *outcome)
{
	if (path.empty())
		return 0;
	int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return failed(outcome, "open", errno);
	int ret = setns(fd, CLONE_NEWNET);
	int error = errno;
	close(fd);
	return ret < 0 ? failed(outcome, "setns", error) : 0;
}

static Napi::Value create_netns(const Napi::CallbackInfo &info)
{
	std::string path = string_at(info, 0);
	struct outcome outcome = in_thread([&](struct outcome *result) {
		if (unshare(CLONE_NEWNET) < 0)
			failed(result, "unshare", errno);
		else if (mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) < 0)
			failed(result, "mount", errno);
		else
			result->value = 0;
	});
	return to_value(info.Env(), outcome);
}

static Napi::Value unmount(const Napi::CallbackInfo &info)
{
	if (umount2(string_at(info, 0).c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return throw_errno(info.Env(), "umount2", errno);
	return info.Env().Undefined();
}

static Napi::Value open_in_netns(const Napi::CallbackInfo &info)
{
	std::string netns = string_at(info, 0);
	std::string path = string_at(info, 1);
	int flags = int_at(info, 2);
	struct outcome outcome = in_thread([&](struct outcome *result) {
		if (enter(netns, result) < 0)
			return;
		result->value = open(path.c_str(), flags | O_CLOEXEC);
		if (result->value < 0)
			failed(result, "open", errno);
	});
	return to_value(info.Env(), outcome);
}

static Napi::Value socket_in_netns(const Napi::CallbackInfo &info)
{
	std::string netns = string_at(info, 0);
	int domain = int_at(info, 1), type = int_at(info, 2), protocol = int_at(info, 3);
	struct outcome outcome = in_thread([&](struct outcome *result) {
		if (enter(netns, result) < 0)
			return;
		result->value = socket(domain, type | SOCK_CLOEXEC, protocol);
		if (result->value < 0)
			failed(result, "socket", errno);
	});
	return to_value(info.Env(), outcome);
}

/* IPv4 only: the one user is the resolver's 127.0.0.11. Returns the port. */
static Napi::Value bind_socket(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	struct sockaddr_in address = {};
	socklen_t length = sizeof(address);
	int fd = int_at(info, 0);

	address.sin_family = AF_INET;
	address.sin_port = htons(static_cast<uint16_t>(int_at(info, 2)));
	if (inet_pton(AF_INET, string_at(info, 1).c_str(), &address.sin_addr) != 1)
		return throw_type(env, "bindSocket(fd: number, address: string, port: number): address is not IPv4");
	if (bind(fd, reinterpret_cast<struct sockaddr *>(&address), sizeof(address)) < 0)
		return throw_errno(env, "bind", errno);
	if (getsockname(fd, reinterpret_cast<struct sockaddr *>(&address), &length) < 0)
		return throw_errno(env, "getsockname", errno);
	return Napi::Number::New(env, ntohs(address.sin_port));
}

void register_netns(Napi::Env env, Napi::Object exports)
{
	exports.Set("createNetns", Napi::Function::New(env, create_netns, "createNetns"));
	exports.Set("unmount", Napi::Function::New(env, unmount, "unmount"));
	exports.Set("openInNetns", Napi::Function::New(env, open_in_netns, "openInNetns"));
	exports.Set("socketInNetns", Napi::Function::New(env, socket_in_netns, "socketInNetns"));
	exports.Set("bindSocket", Napi::Function::New(env, bind_socket, "bindSocket"));
}
