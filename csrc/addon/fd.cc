/*
 * setCloexec(fd, on), fcntl(2); flock(fd, operation), flock(2); socketpair(type), socketpair(2); isHungUp(fd), poll(2).
 */
#include "values.h"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>

static Napi::Value set_cloexec(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();

	if (fcntl(int_at(info, 0), F_SETFD, info[1].ToBoolean().Value() ? FD_CLOEXEC : 0) < 0)
		return throw_errno(env, "fcntl", errno);
	return env.Undefined();
}

static Napi::Value file_lock(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	int ret;

	do {
		ret = flock(int_at(info, 0), int_at(info, 1));
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return throw_errno(env, "flock", errno);
	return env.Undefined();
}

static Napi::Value socket_pair(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	bool packets = info[0].IsString() && info[0].As<Napi::String>().Utf8Value() == "seqpacket";
	int fds[2];

	if (socketpair(AF_UNIX, (packets ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC, 0, fds) < 0)
		return throw_errno(env, "socketpair", errno);
	Napi::Array pair = Napi::Array::New(env, 2);
	pair.Set(0u, Napi::Number::New(env, fds[0]));
	pair.Set(1u, Napi::Number::New(env, fds[1]));
	return pair;
}

static Napi::Value is_hung_up(const Napi::CallbackInfo &info)
{
	struct pollfd entry = {};

	entry.fd = int_at(info, 0);
	if (poll(&entry, 1, 0) < 0)
		return throw_errno(info.Env(), "poll", errno);
	return Napi::Boolean::New(info.Env(), (entry.revents & (POLLHUP | POLLERR)) != 0);
}

void register_fd(Napi::Env env, Napi::Object exports)
{
	exports.Set("setCloexec", Napi::Function::New(env, set_cloexec, "setCloexec"));
	exports.Set("flock", Napi::Function::New(env, file_lock, "flock"));
	exports.Set("isHungUp", Napi::Function::New(env, is_hung_up, "isHungUp"));
	exports.Set("socketpair", Napi::Function::New(env, socket_pair, "socketpair"));
}
