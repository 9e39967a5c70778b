/*
 * spawn(request): another program as a child, clone(2) with CLONE_VM and CLONE_VFORK: nothing of Node's memory is
 * copied, however large it is, and nothing of this process changes (working directory, limits, descriptors). One thread
 * starts all children and waits for their pidfds in an epoll(7) instance, so that the event loop never waits, for
 * hundreds of them at once. The promise ends with what waitid(2) says, or with the errno of the call that failed.
 */
#include "values.h"

#include <cerrno>
#include <csignal>
#include <deque>
#include <fcntl.h>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

namespace
{
struct child {
	std::string path, cwd;
	std::vector<std::string> args, variables;
	std::vector<char *> argv, envp;
	std::vector<int> fds; /* copies, none below its own number of places */
	bool limited;
	rlim_t open_files;
	sigset_t no_signals;

	pid_t pid;
	int pidfd;
	const char *failed; /* system call */
	int error;
	siginfo_t ended;

	napi_deferred promise;
	napi_threadsafe_function tell;
};

struct {
	std::mutex lock;
	std::deque<child *> waiting;
	int epoll = -1;
	int wake = -1; /* eventfd: waiting is not empty */
} server;

int fail(child *self, const char *syscall)
{
	self->failed = syscall;
	self->error = errno;
	return -1;
}

/*
 * In the child, on the parent's memory: no handler of the parent's may run here, so all are gone before a signal is let
 * in. What Node ignores (SIGPIPE) must not be ignored in the program. libc refuses those of its own, which need
 * nothing.
 */
void reset_signals(const child *self)
{
	struct sigaction action = {};

	action.sa_handler = SIG_DFL;
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			(void)sigaction(sig, &action, nullptr);
	(void)sigprocmask(SIG_SETMASK, &self->no_signals, nullptr);
}

int set_limit(const child *self)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	limit.rlim_cur = self->open_files > limit.rlim_max ? limit.rlim_max : self->open_files;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

/* Programs expect blocking stdio; Node may have changed what our caller shares with us. */
int place_fds(const child *self)
{
	int count = static_cast<int>(self->fds.size());

	for (int at = 0; at < count; at++) {
		if (dup2(self->fds[static_cast<size_t>(at)], at) < 0)
			return -1;
		int flags = at > STDERR_FILENO ? 0 : fcntl(at, F_GETFL);
		if (flags > 0 && (flags & O_NONBLOCK) != 0)
			(void)fcntl(at, F_SETFL, flags & ~O_NONBLOCK);
	}
	return static_cast<int>(syscall(SYS_close_range, static_cast<unsigned int>(count), ~0U, CLOSE_RANGE_CLOEXEC));
}

int run_child(void *arg)
{
	child *self = static_cast<child *>(arg);

	if (self->limited && set_limit(self) < 0)
		fail(self, "setrlimit");
	else if (chdir(self->cwd.c_str()) < 0)
		fail(self, "chdir");
	else if (place_fds(self) < 0)
		fail(self, "dup2");
	else {
		reset_signals(self);
		execve(self->path.c_str(), self->argv.data(), self->envp.data());
		fail(self, "execve");
	}
	_exit(127);
}

void close_copies(child *self)
{
	for (int fd : self->fds)
		close(fd);
	self->fds.clear();
}

/* Gives self back to the event loop's thread. */
void finish(child *self)
{
	napi_threadsafe_function tell = self->tell;

	(void)napi_call_threadsafe_function(tell, self, napi_tsfn_blocking);
	(void)napi_release_threadsafe_function(tell, napi_tsfn_release);
}

void reap(child *self)
{
	int ret;

	/* Not closed alone: a process that another thread has just forked holds the description for a moment. */
	(void)epoll_ctl(server.epoll, EPOLL_CTL_DEL, self->pidfd, nullptr);
	do
		ret = waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(self->pidfd), &self->ended, WEXITED);
	while (ret < 0 && errno == EINTR);
	if (ret < 0 && self->failed == nullptr)
		fail(self, "waitid");
	close(self->pidfd);
	finish(self);
}

/* The stack is free again when clone() returns: CLONE_VFORK waits for the child's execve(2) or its end. */
void start(child *self)
{
	alignas(16) static char stack[64 * 1024];
	struct epoll_event event = {};

	self->pid = clone(
		run_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, self, &self->pidfd);
	if (self->pid < 0)
		fail(self, "clone");
	close_copies(self);
	if (self->pid < 0)
		return finish(self);
	event.events = EPOLLIN;
	event.data.ptr = self;
	if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, self->pidfd, &event) < 0)
		reap(self); /* waits here; nothing else can be done with a kernel that has no memory for it */
}

void start_waiting()
{
	uint64_t count;

	(void)!read(server.wake, &count, sizeof(count));
	for (;;) {
		child *next;
		{
			std::lock_guard<std::mutex> hold(server.lock);
			if (server.waiting.empty())
				return;
			next = server.waiting.front();
			server.waiting.pop_front();
		}
		start(next);
	}
}

void *serve(void *)
{
	struct epoll_event events[64];

	for (;;) {
		int count = epoll_wait(server.epoll, events, 64, -1);
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == nullptr)
				start_waiting();
			else
				reap(static_cast<child *>(events[i].data.ptr));
		}
	}
}

/* Signals are for the other threads: this one has them blocked from birth, and so has a child until its handlers are
 * gone. */
int start_thread()
{
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	errno = pthread_create(&thread, nullptr, serve, nullptr);
	int error = errno;
	pthread_sigmask(SIG_SETMASK, &before, nullptr);
	errno = error;
	return error == 0 ? pthread_detach(thread) : -1;
}

/* The name of what failed, or nullptr. With the lock held. */
const char *start_server()
{
	struct epoll_event event = {};

	if (server.epoll >= 0)
		return nullptr;
	int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	event.events = EPOLLIN;
	server.wake = wake;
	server.epoll = epoll;
	if (wake >= 0 && epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, wake, &event) == 0 && start_thread() == 0)
		return nullptr;
	int error = errno;
	close(wake);
	close(epoll);
	server.wake = server.epoll = -1;
	errno = error;
	return "pthread_create";
}

/* In the event loop's thread; env is null when the process ends. */
void settle(napi_env env, napi_value, void *, void *data)
{
	child *self = static_cast<child *>(data);

	if (env != nullptr && self->failed != nullptr) {
		Napi::Error error = errno_error(env, self->failed, self->error);
		napi_reject_deferred(env, self->promise, error.Value());
	} else if (env != nullptr) {
		Napi::Array ended = Napi::Array::New(env, 3);
		bool exited = self->ended.si_code == CLD_EXITED;
		ended.Set(0U, self->pid);
		ended.Set(1U, exited ? self->ended.si_status : 0);
		ended.Set(2U, exited ? 0 : self->ended.si_status);
		napi_resolve_deferred(env, self->promise, ended);
	}
	delete self;
}

/* Copies, so that the caller may close its own at once. */
int copy_fds(child *self, const std::vector<int> &fds)
{
	for (int fd : fds) {
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, static_cast<int>(fds.size()));
		if (copy < 0) {
			fail(self, "fcntl");
			close_copies(self);
			return -1;
		}
		self->fds.push_back(copy);
	}
	return 0;
}

/* A NUL would end a word early: what was asked for is not what would run. */
bool has_nul(const child *self)
{
	bool found = self->path.find('\0') != std::string::npos || self->cwd.find('\0') != std::string::npos;

	for (const std::vector<std::string> *list : { &self->args, &self->variables })
		for (const std::string &word : *list)
			found = found || word.find('\0') != std::string::npos;
	return found;
}

child *read_request(const Napi::Object &request)
{
	child *self = new child();
	Napi::Value limit = request.Get("openFiles");

	self->path = request.Get("path").ToString().Utf8Value();
	self->cwd = request.Get("cwd").ToString().Utf8Value();
	self->args = to_strings(request.Get("argv").As<Napi::Array>());
	self->variables = to_strings(request.Get("env").As<Napi::Array>());
	self->argv = to_pointers(self->args);
	self->envp = to_pointers(self->variables);
	self->limited = limit.IsNumber();
	if (self->limited)
		self->open_files = static_cast<rlim_t>(limit.ToNumber().Int64Value());
	sigemptyset(&self->no_signals);
	return self;
}

void enqueue(child *self)
{
	const uint64_t one = 1;
	std::lock_guard<std::mutex> hold(server.lock);

	server.waiting.push_back(self);
	(void)!write(server.wake, &one, sizeof(one));
}

Napi::Value spawn(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	Napi::Object request = info[0].ToObject();
	napi_value promise;
	const char *failed;

	if (!request.Get("argv").IsArray() || !request.Get("env").IsArray() || !request.Get("fds").IsArray())
		return throw_type(env, "spawn({path, argv, env, fds, cwd, openFiles?})");
	{
		std::lock_guard<std::mutex> hold(server.lock);
		failed = start_server();
	}
	if (failed != nullptr)
		return throw_errno(env, failed, errno);
	child *self = read_request(request);
	if (has_nul(self)) {
		delete self;
		return throw_type(env, "spawn: a word holds a NUL");
	}
	if (copy_fds(self, to_ints(request.Get("fds").As<Napi::Array>())) < 0) {
		int error = self->error;
		delete self;
		return throw_errno(env, "fcntl", error);
	}
	napi_create_promise(env, &self->promise, &promise);
	napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "spawn"), 0, 1, nullptr, nullptr,
		nullptr, settle, &self->tell);
	enqueue(self);
	return Napi::Value(env, promise);
}
} // namespace

void register_spawn(Napi::Env env, Napi::Object exports)
{
	exports.Set("spawn", Napi::Function::New(env, spawn, "spawn"));
}
