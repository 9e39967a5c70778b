/*
 * seccompProbe(operation, flags): the errno of seccomp(2) with a null argument. SECCOMP_SET_MODE_FILTER looks at the
 * flags before it reads the filter, so EFAULT is a known combination and EINVAL an unknown one; nothing is installed.
 */
#include "values.h"

#include <cerrno>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

static Napi::Value probe(const Napi::CallbackInfo &info)
{
	long ret = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, u32_at(info, 0), nullptr);

	return Napi::Number::New(info.Env(), ret < 0 ? errno : 0);
}

void register_seccomp_probe(Napi::Env env, Napi::Object exports)
{
	exports.Set("seccompFlagsErrno", Napi::Function::New(env, probe, "seccompFlagsErrno"));
}
