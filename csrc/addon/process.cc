/*
 * setSubreaper(on), PR_SET_CHILD_SUBREAPER of prctl(2); mountSetattrErrno(attrSet), which tells a known
 * MOUNT_ATTR_* flag from an unknown one; fsopenErrno(type), which tells a file system.
 */
#include "values.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static Napi::Value set_subreaper(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();

	if (prctl(PR_SET_CHILD_SUBREAPER, info[0].ToBoolean().Value() ? 1UL : 0UL, 0UL, 0UL, 0UL) < 0)
		return throw_errno(env, "prctl", errno);
	return env.Undefined();
}

/*
 * mount_setattr(2) checks the flags before it looks at the two bad descriptors: EINVAL is an unknown flag, EBADF a
 * known one, EPERM a caller that may not mount at all. Nothing is ever changed.
 */
static Napi::Value mount_setattr_errno(const Napi::CallbackInfo &info)
{
	struct mount_attr attr = {};

	attr.attr_set = u32_at(info, 0);
	attr.userns_fd = INT_MAX;
	long ret = syscall(SYS_mount_setattr, -1, "", AT_EMPTY_PATH, &attr, sizeof(attr));
	return Napi::Number::New(info.Env(), ret < 0 ? errno : 0);
}

/*
 * fsopen(2) of a type that the kernel can load as a module loads it: 0, ENODEV for one that it does not know, EPERM for
 * a caller that may not mount. Nothing is mounted.
 */
static Napi::Value fsopen_errno(const Napi::CallbackInfo &info)
{
	std::string type = string_at(info, 0);
	long fd = syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC);
	int error = fd < 0 ? errno : 0;

	if (fd >= 0)
		close(static_cast<int>(fd));
	return Napi::Number::New(info.Env(), error);
}

/*
 * catchSignals(): from now on the signals that ask a program to stop are only noted; caughtSignal() is the last one, or
 * 0. In C, because JavaScript's handlers do not run while a child is waited for.
 */
static volatile sig_atomic_t caught;

static void note_signal(int signal)
{
	caught = signal;
}

static Napi::Value catch_signals(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	struct sigaction action = {};

	action.sa_handler = note_signal;
	action.sa_flags = SA_RESTART;
	for (int signal : { SIGHUP, SIGINT, SIGQUIT, SIGTERM })
		if (sigaction(signal, &action, nullptr) < 0)
			return throw_errno(env, "sigaction", errno);
	return env.Undefined();
}

static Napi::Value caught_signal(const Napi::CallbackInfo &info)
{
	return Napi::Number::New(info.Env(), caught);
}

void register_process(Napi::Env env, Napi::Object exports)
{
	exports.Set("setSubreaper", Napi::Function::New(env, set_subreaper, "setSubreaper"));
	exports.Set("catchSignals", Napi::Function::New(env, catch_signals, "catchSignals"));
	exports.Set("caughtSignal", Napi::Function::New(env, caught_signal, "caughtSignal"));
	exports.Set("fsopenErrno", Napi::Function::New(env, fsopen_errno, "fsopenErrno"));
	exports.Set("mountSetattrErrno", Napi::Function::New(env, mount_setattr_errno, "mountSetattrErrno"));
}
